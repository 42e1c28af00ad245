"""Questions over the Unix socket: the daemon's end and the command's end together."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import stat
import threading
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from agent import control
from agent.control import Control
from agent.core.errors import GatewayError
from agent.status import ask, somebody_listens


async def _answer(wish: dict[str, Any]) -> dict[str, Any]:
    if wish.get("ask") == "ping":
        return {"pong": "1.0"}
    if wish.get("ask") == "echo":
        return wish
    raise GatewayError("nobody knows this question")


@asynccontextmanager
async def _listening(path: Path) -> AsyncIterator[None]:
    control = Control(path, _answer)
    task = asyncio.create_task(control.run())
    async with asyncio.timeout(5):
        await control.listening.wait()
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])


@asynccontextmanager
async def _guest(path: Path) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    reader, writer = await asyncio.open_unix_connection(path)
    try:
        yield reader, writer
    finally:
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()


async def test_a_question_is_answered(tmp_path: Path) -> None:
    path = tmp_path / "run" / "control.sock"
    async with _listening(path):
        assert await asyncio.to_thread(ask, path, {"ask": "ping"}) == {"pong": "1.0"}
        long = {"ask": "echo", "points": [f"meter-{number}.power" for number in range(1000)]}
        assert await asyncio.to_thread(ask, path, long) == long


async def test_only_owner_and_group_may_ask(tmp_path: Path) -> None:
    path = tmp_path / "control.sock"
    async with _listening(path):
        assert stat.S_IMODE(path.stat().st_mode) == 0o660


async def test_what_cannot_be_answered_is_an_error_with_a_sentence(tmp_path: Path) -> None:
    path = tmp_path / "control.sock"
    async with _listening(path):
        with pytest.raises(GatewayError, match="nobody knows this question"):
            await asyncio.to_thread(ask, path, {"ask": "why"})


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        (b"status\n", "a question is one JSON object"),
        (b"[1]\n", "a question is one JSON object"),
        (b"[" * 40_000 + b"\n", "a question is one JSON object"),
        (b"\xff\n", "a question is one JSON object"),
        (b'{"ask": "' + b"x" * 100_000 + b'"}\n', "the question is too long"),
    ],
)
async def test_a_question_of_another_form_is_refused(tmp_path: Path, line: bytes, sentence: str) -> None:
    path = tmp_path / "control.sock"
    async with _listening(path), _guest(path) as (reader, writer):
        writer.write(line)
        assert sentence in json.loads(await reader.readline())["error"]


async def test_several_questions_fit_on_one_connection(tmp_path: Path) -> None:
    path = tmp_path / "control.sock"
    async with _listening(path), _guest(path) as (reader, writer):
        for _ in range(3):
            writer.write(b'{"ask": "ping"}\n')
            assert json.loads(await reader.readline()) == {"pong": "1.0"}


async def test_one_guest_too_many_is_turned_away(tmp_path: Path) -> None:
    path = tmp_path / "control.sock"
    async with _listening(path), AsyncExitStack() as guests:
        for _ in range(16):
            reader, writer = await guests.enter_async_context(_guest(path))
            writer.write(b'{"ask": "ping"}\n')
            await reader.readline()
        with pytest.raises(GatewayError, match="too many questions"):
            await asyncio.to_thread(ask, path, {"ask": "ping"})


def test_a_gateway_that_goes_before_it_has_read_the_question_broke_off(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "control.sock"))
        listener.listen()

        def leave() -> None:
            guest, _ = listener.accept()
            guest.recv(1, socket.MSG_PEEK)
            guest.close()  # with the question unread: the kernel resets the connection

        thread = threading.Thread(target=leave)
        thread.start()
        with pytest.raises(GatewayError, match="broke off in the middle of its answer"):
            ask(tmp_path / "control.sock", {"ask": "status"})
        thread.join()


async def test_guests_who_never_read_do_not_keep_others_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(control, "_PATIENCE", 0.2)
    path = tmp_path / "control.sock"
    long = json.dumps({"ask": "echo", "points": ["x" * 30_000]}).encode() + b"\n"
    async with _listening(path), AsyncExitStack() as guests:
        for _ in range(16):
            _, writer = await guests.enter_async_context(_guest(path))
            writer.transport.pause_reading()  # type: ignore[attr-defined]  # a transport of a stream can
            writer.write(long * 100)
        async with asyncio.timeout(10):
            while not await asyncio.to_thread(_is_answered, path):
                pass


async def test_guests_beyond_all_measure_cost_no_descriptors(tmp_path: Path) -> None:
    path = tmp_path / "control.sock"
    async with _listening(path), AsyncExitStack() as guests:
        readers = [(await guests.enter_async_context(_guest(path)))[0] for _ in range(100)]
        async with asyncio.timeout(5):
            assert [await reader.read() for reader in readers[64:]] == [b""] * 36


async def test_the_reason_is_heard_even_by_who_is_still_asking(tmp_path: Path) -> None:
    path = tmp_path / "control.sock"
    async with _listening(path):
        with pytest.raises(GatewayError, match="the question is too long"):
            await asyncio.to_thread(ask, path, {"ask": "x" * 5_000_000})


def _is_answered(path: Path) -> bool:
    try:
        return ask(path, {"ask": "ping"}) == {"pong": "1.0"}
    except GatewayError:
        return False


def test_the_socket_of_a_dead_daemon_is_taken_over_and_removed_at_the_end(tmp_path: Path) -> None:
    path = tmp_path / "control.sock"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(os.fspath(path))

    async def scenario() -> dict[str, Any]:
        async with _listening(path):
            return await asyncio.to_thread(ask, path, {"ask": "ping"})

    assert asyncio.run(scenario()) == {"pong": "1.0"}
    assert not path.exists()


async def test_the_socket_of_a_living_daemon_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "control.sock"
    async with _listening(path):
        with pytest.raises(GatewayError, match="cannot be made"):
            await Control(path, _answer).run()
        assert await asyncio.to_thread(ask, path, {"ask": "ping"}) == {"pong": "1.0"}


def test_without_a_daemon_the_command_says_so(tmp_path: Path) -> None:
    with pytest.raises(GatewayError, match="no gateway is running here"):
        ask(tmp_path / "control.sock", {"ask": "ping"})
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(os.fspath(tmp_path / "dead.sock"))
    with pytest.raises(GatewayError, match="no gateway is running here"):
        ask(tmp_path / "dead.sock", {"ask": "ping"})


def test_a_daemon_that_hangs_is_not_waited_for_for_ever(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind(os.fspath(tmp_path / "control.sock"))
        silent.listen()
        with pytest.raises(GatewayError, match=r"did not answer within 0\.05 s"):
            ask(tmp_path / "control.sock", {"ask": "ping"}, patience=0.05)


def test_without_a_gateway_it_is_said_how_one_is_started(tmp_path: Path) -> None:
    path = tmp_path / "control.sock"
    assert not somebody_listens(path)
    with pytest.raises(GatewayError, match=r"no gateway is running here: .*systemctl start citygate"):
        ask(path, {"ask": "ping"})
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as gone:
        gone.bind(str(path))
    assert not somebody_listens(path)
    with pytest.raises(GatewayError, match="no gateway is running here"):
        ask(path, {"ask": "ping"})


def test_a_path_that_can_be_no_socket_is_said(tmp_path: Path) -> None:
    path = tmp_path / ("x" * 120)
    with pytest.raises(GatewayError, match=r"cannot be asked: AF_UNIX path too long"):
        ask(path, {"ask": "ping"})
    assert somebody_listens(path)


def test_a_gateway_that_we_may_not_ask_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Denied(socket.socket):
        def connect(self, address: object) -> None:
            raise PermissionError(13, "Permission denied", address)

    monkeypatch.setattr(socket, "socket", Denied)
    assert somebody_listens(tmp_path / "control.sock")
    with pytest.raises(GatewayError, match="join the group that owns the socket, or use sudo"):
        ask(tmp_path / "control.sock", {"ask": "ping"})


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (b"", "broke off in the middle of its answer"),
        (b'{"pong": "1.', "broke off in the middle of its answer"),
        (b"[1, 2]\n", "gave an answer of an unknown form"),
        (None, "did not answer within 0.2 s"),
    ],
    ids=["nothing", "half", "a list", "silence"],
)
async def test_an_answer_that_is_none_is_said(tmp_path: Path, answer: bytes | None, said: str) -> None:
    path = tmp_path / "control.sock"
    asked, gone = asyncio.Event(), asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        if answer is None:
            await asked.wait()
        writer.write(answer or b"")
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()
        gone.set()

    async with await asyncio.start_unix_server(serve, path):
        with pytest.raises(GatewayError, match=said):
            await asyncio.to_thread(lambda: ask(path, {"ask": "ping"}, patience=0.2))
        asked.set()
        await gone.wait()


async def test_who_is_cut_off_while_it_asks_hears_that_the_answer_broke_off(tmp_path: Path) -> None:
    path = tmp_path / "control.sock"
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(str(path))
    listener.listen()
    waiting = asyncio.create_task(asyncio.to_thread(ask, path, {"ask": "x" * 4_000_000}))
    guest, _ = await asyncio.to_thread(listener.accept)
    guest.close()
    with pytest.raises(GatewayError, match="broke off in the middle of its answer"):
        await waiting
    listener.close()
