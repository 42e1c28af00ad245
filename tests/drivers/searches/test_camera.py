"""The search for cameras: a real one's streams, the cheapest proposed, and clocks that differ."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from agent.cli.main import main
from agent.core.clock import SystemClock
from agent.core.duration import Duration
from agent.core.errors import ConfigError, DriverError
from agent.core.search import Found
from drivers.cameras.onvif.post import End
from drivers.searches.camera import Camera
from tests.drivers.cameras.test_onvif import answering, whole
from tests.drivers.searches.kit import Facts, Heard, HeldLink
from tests.peers.onvif_camera import onvif_camera

KEY = "s3cret"
RIGHT = {"user": "admin", "password": "credential:right"}
WRONG = {"user": "admin", "password": "credential:wrong"}
Screen = pytest.CaptureFixture[str]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CONFIGURATION_DIRECTORY", str(tmp_path))
    (tmp_path / "credentials").mkdir()
    for name, text in (("right", KEY), ("wrong", "1234")):
        path = tmp_path / "credentials" / name
        path.write_text(text, encoding="utf-8")
        path.chmod(0o600)
    return tmp_path


@pytest.fixture(scope="module")
def locked() -> Iterator[int]:
    with onvif_camera(username="admin", password=KEY, manufacturer="Maker") as port:
        yield port


async def searched(*targets: str, **words: Any) -> Heard:  # noqa: ANN401
    heard, held = Heard(), words.pop("held", ())
    await Camera(targets=targets, **words).search(Facts(*held), SystemClock(), heard)
    return heard


def proposed(heard: Heard) -> Found:
    [one] = [one for one in heard.found if one.link]
    return one


async def test_the_streams_of_a_camera_are_listed_and_the_small_one_proposed(
    locked: int, folder: Path
) -> None:
    del folder
    heard = await searched(f"127.0.0.1:{locked}", **RIGHT)
    assert [one.what for one in heard.found] == [
        "Maker VirtualCam-1, stream MainStream: H264 1920 x 1080, 30 pictures a second, "
        "decoding takes about 14.6% of a core",
        "Maker VirtualCam-1, stream SubStream: H264 640 x 360, 30 pictures a second, "
        "decoding takes about 1.6% of a core: this one",
    ]
    assert proposed(heard).link == {
        "driver": "camera",
        "source": "rtsp://127.0.0.1:8554/video_sub",
        "user": "admin",
        "password": "credential:right",
        "model": "nanodet-g",
        "picture": [640, 360],
    }
    assert heard.missed == []
    assert [one.done for one in heard.progress] == [0, 1]


async def test_a_stranger_is_told_that_a_user_is_wanted(locked: int) -> None:
    heard = await searched(f"127.0.0.1:{locked}")
    assert heard.missed[0].why.startswith("wants to know who asks: name its address alone, with --user")


async def test_a_wrong_password_is_said_to_be_one(locked: int, folder: Path) -> None:
    del folder
    heard = await searched(f"127.0.0.1:{locked}", **WRONG)
    assert [one.why for one in heard.missed] == [
        "refuses this user or password; ONVIF users are often a list of their own on its web page"
    ]


@pytest.mark.parametrize(("clock", "says"), [("-2h", "2 h behind"), ("+3d", "3 d ahead of")])
async def test_a_camera_whose_clock_is_wrong_is_asked_by_its_own_time_and_said_to_be_wrong(
    folder: Path, clock: str, says: str
) -> None:
    del folder
    with onvif_camera(clock, username="admin", password=KEY) as port:
        heard = await searched(f"127.0.0.1:{port}", **RIGHT)
        refused = await searched(f"127.0.0.1:{port}", **WRONG)
    assert proposed(heard).link["picture"] == [640, 360]
    assert [one.why for one in heard.missed] == [f"its clock is {says} this gateway's: give it a time server"]
    assert f"and its clock is {says} this gateway's: ONVIF refuses" in refused.missed[0].why


async def test_everybody_is_asked_where_nobody_is_named_and_no_password_is_sent(folder: Path) -> None:
    del folder
    words = {"interface": "127.0.0.1", "settle": Duration(0.6), "user": "a", "password": "credential:right"}
    with onvif_camera(discovery=True, username="a", password=KEY) as port:
        heard = await searched(**words)
    [mine] = [one for one in heard.missed if one.address == f"127.0.0.1:{port}"]
    assert "name its address alone" in mine.why
    with onvif_camera(discovery=True) as port:
        heard = await searched(**words)
    assert [one.address for one in heard.found if one.link] == [f"127.0.0.1:{port}"]


async def test_a_subnet_is_knocked_at_and_who_is_silent_costs_no_word() -> None:
    with onvif_camera() as port:
        heard = await searched("127.0.0.0/29", port=port)
    assert proposed(heard).address == f"127.0.0.1:{port}"
    assert heard.missed == []
    assert (heard.progress[0].of, heard.progress[-1].done) == (6, 6)


async def test_a_password_is_not_sent_into_a_subnet(locked: int, folder: Path) -> None:
    del folder
    heard = await searched("127.0.0.0/30", port=locked, **RIGHT)
    assert [one.address for one in heard.missed] == [f"127.0.0.1:{locked}"]
    assert "name its address alone" in heard.missed[0].why
    heard = await searched("127.0.0.0/30", "127.0.0.1", port=locked, **RIGHT)
    assert proposed(heard).address == f"127.0.0.1:{locked}", "who is named too is asked as such"


async def test_a_camera_that_the_gateway_has_is_not_proposed_again() -> None:
    async def answer(_: object) -> dict[str, Any]:
        raise AssertionError

    held = HeldLink("square", {"driver": "camera", "source": "rtsp://127.0.0.1:8554/video_sub"}, answer)
    with onvif_camera() as port:
        heard = await searched(f"127.0.0.1:{port}", held=(held,))
    assert [one for one in heard.found if one.link] == []
    assert heard.found[1].note == "the running gateway has it already: it is link square"


@pytest.mark.parametrize(
    ("targets", "words", "says"),
    [
        (("camera.example",), {}, "no address in figures"),
        (("10.0.0.0/8",), {}, "16777216 addresses; search 1024 at a time"),
        (("10.0.0.1:70000",), {}, "no address in figures"),
        (("10.0.0.1",), {"user": "admin"}, "belong together"),
        (("10.0.0.1",), {"user": "admin", "password": "1234"}, 'write "credential:NAME"'),
        (("10.0.0.1",), {"user": "admin", "password": "credential:none"}, 'credential "none" is missing'),
    ],
)
async def test_words_that_cannot_be_meant_are_refused(
    targets: tuple[str, ...], words: dict[str, str], says: str, folder: Path
) -> None:
    del folder
    with pytest.raises(ConfigError, match=says):
        await searched(*targets, **words)


async def test_an_address_that_is_not_ours_cannot_ask_everybody() -> None:
    with pytest.raises(DriverError, match=r"192\.0\.2\.1 cannot ask everybody"):
        await searched(interface="192.0.2.1")


def test_the_command_prints_a_table_that_lacks_nothing_but_lines(tmp_path: Path, capsys: Screen) -> None:
    with onvif_camera() as port:
        words = ["scan", "camera", f"127.0.0.1:{port}", "--socket", str(tmp_path / "none.sock")]
        assert main([*words, "--config", str(tmp_path)]) == 0
    told = capsys.readouterr()
    [(name, link)] = tomllib.loads(told.out)["link"].items()
    assert name == "camera-127-0-0-1"
    link["lines"] = {"gate": {"from": [0.5, 0.9], "to": [0.5, 0.1]}}
    assert link["source"] == "rtsp://127.0.0.1:8554/video_sub"
    assert "citygate draw" in told.out
    assert "SubStream: H264 640 x 360" in told.err


def test_an_interrupted_search_gives_the_cameras_that_it_found_so_far(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent, onvif_camera() as port:
        ends = [f"127.0.0.1:{one}" for one in (port, silent.getsockname()[1])]
        words = ["scan", "camera", *ends, "--wait", "60s", "--config", str(tmp_path)]
        with subprocess.Popen(
            [sys.executable, "-P", "-m", "agent", *words, "--socket", str(tmp_path / "none.sock")],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        ) as process:  # fmt: skip
            assert process.stderr is not None
            while "this one" not in process.stderr.readline():
                assert process.poll() is None
            process.send_signal(signal.SIGINT)
            said, told = process.communicate(timeout=10)
    assert process.returncode == 130
    assert tomllib.loads(said)["link"]["camera-127-0-0-1"]["picture"] == [640, 360]
    assert "Traceback" not in told


async def test_of_a_subnet_only_cameras_are_told_of_and_of_those_named_everybody() -> None:
    async with answering(whole) as (end, _):
        heard = await searched("127.0.0.0/30", port=end.port, knock=Duration(0.5))
        assert proposed(heard).address == str(end)
        assert heard.missed == []
        assert (heard.progress[0].of, heard.progress[-1].done) == (2, 2)
        heard = await searched("127.0.0.1", "127.0.0.0/30", f"127.0.0.2:{end.port}", port=end.port)
        assert [one.address for one in heard.missed] == [f"127.0.0.2:{end.port}"]
        assert "cannot be asked: " in heard.missed[0].why
        heard = await searched(f"[::1]:{end.port}")
        assert [one.address for one in heard.missed] == [f"[::1]:{end.port}"]


async def test_a_camera_in_a_subnet_that_wants_a_user_is_told_of(folder: Path) -> None:
    del folder

    def locked(asked: bytes) -> bytes:
        return whole(asked) if b"GetSystemDateAndTime" in asked else b"HTTP/1.1 401 No\r\n\r\n"

    async with answering(locked) as (end, asked):
        heard = await searched("127.0.0.0/30", port=end.port, knock=Duration(0.5), **RIGHT)
    assert ["name its address alone" in one.why for one in heard.missed] == [True]
    assert not [one for one in asked if b"Username" in one]


async def test_who_answers_everybody_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    async with answering(whole) as (end, _):

        async def found(*_: object) -> list[End]:
            return [end]

        monkeypatch.setattr("drivers.cameras.onvif.everybody.everybody", found)
        heard = await searched(settle=Duration(0.1))
    assert proposed(heard).address == str(end)
    assert heard.progress[0].what == "everybody on the network"
