"""Log lines reach the journal with their fields, stderr with their priorities, people as sentences."""

from __future__ import annotations

import logging
import os
import socket
import struct
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent import journal
from agent.core.catalogue.entry import Entry
from agent.journal import JournalHandler, PrefixHandler, Trouble, _is_journal, journal_record, spoken


def _entry(code: str, level: int, text: str) -> Entry:
    return Entry(code=code, level=level, text=text, title="", matters="", act="")


AWAY = _entry("it-is-away", logging.WARNING, "%s is away")
BACK = _entry("it-is-back", logging.INFO, "%s is back%s")


@pytest.fixture
def listener(tmp_path: Path) -> Iterator[socket.socket]:
    """Give the journal's end of its socket, at ``tmp_path/socket``."""
    end = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    end.bind(str(tmp_path / "socket"))
    end.settimeout(5)
    yield end
    end.close()


@pytest.fixture
def root() -> Iterator[logging.Logger]:
    """Give the root logger and put back what it was."""
    logger = logging.getLogger()
    handlers, level = logger.handlers[:], logger.level
    yield logger
    logger.handlers[:] = handlers
    logger.setLevel(level)


def _record(text: str, *values: object, level: int = logging.WARNING, **fields: str) -> logging.LogRecord:
    record = logging.LogRecord("agent.health", level, __file__, 1, text, values, None)
    record.fields = fields
    return record


def _fields(data: bytes) -> dict[str, str]:
    """Read the native protocol as systemd.journal-fields(7) describes it."""
    found: dict[str, str] = {}
    while data:
        line, _, data = data.partition(b"\n")
        name, equals, value = line.partition(b"=")
        if not equals:
            (length,) = struct.unpack_from("<Q", data)
            value, data = data[8 : 8 + length], data[8 + length + 1 :]
        found[name.decode()] = value.decode()
    return found


def test_a_value_of_several_lines_is_preceded_by_its_length() -> None:
    fields = {"MESSAGE": "one\ntwo=2\n", "PRIORITY": "3"}
    assert _fields(journal_record(fields)) == fields


def test_the_journal_gets_fields_of_its_own(tmp_path: Path, listener: socket.socket) -> None:
    handler = JournalHandler(tmp_path / "socket")
    handler.handle(_record("%s is silent", "main-meter", DEVICE="main-meter", LINK="plant-room"))
    assert _fields(listener.recv(4096)) == {
        "MESSAGE": "main-meter is silent",
        "PRIORITY": "4",
        "SYSLOG_IDENTIFIER": "citygate",
        "LOGGER": "agent.health",
        "DEVICE": "main-meter",
        "LINK": "plant-room",
    }
    handler.close()


def test_a_restarted_journal_is_found_again(tmp_path: Path) -> None:
    handler = JournalHandler(tmp_path / "socket")
    for text in ("first", "second"):
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as journald:
            journald.bind(str(tmp_path / "socket"))
            handler.handle(_record(text))
            assert _fields(journald.recv(4096))["MESSAGE"] == text
        (tmp_path / "socket").unlink()
    handler.close()


def test_without_its_journal_a_line_goes_to_stderr(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    handler = JournalHandler(tmp_path / "nothing")
    handler.handle(_record("the broker is away", level=logging.ERROR))
    handler.close()
    assert capsys.readouterr().err == "<3>the broker is away\n"


def test_a_full_journal_is_not_waited_for_and_the_loss_is_told(
    tmp_path: Path, listener: socket.socket
) -> None:
    handler = JournalHandler(tmp_path / "socket")
    for number in range(5000):
        handler.handle(_record("line %d", number))
    got = 0
    listener.setblocking(False)
    while True:
        try:
            listener.recv(4096)
        except BlockingIOError:
            break
        got += 1
    handler.handle(_record("room again"))
    assert _fields(listener.recv(4096))["DROPPED"] == str(5000 - got)
    handler.close()


@pytest.mark.parametrize(
    ("level", "prefix"),
    [(logging.DEBUG, "<7>"), (logging.INFO, "<6>"), (logging.WARNING, "<4>"), (logging.ERROR, "<3>")],
)
def test_every_line_on_stderr_has_its_priority(
    capsys: pytest.CaptureFixture[str], level: int, prefix: str
) -> None:
    PrefixHandler().handle(_record("one\ntwo", level=level))
    assert capsys.readouterr().err == f"{prefix}one\n{prefix}two\n"


def test_the_best_place_for_lines_is_found(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, listener: socket.socket, root: logging.Logger
) -> None:
    monkeypatch.setattr(journal, "_SOCKET", tmp_path / "socket")
    stderr = os.fstat(2)
    assert listener.fileno() > 0
    for environment, expected in (
        ({"JOURNAL_STREAM": f"{stderr.st_dev}:{stderr.st_ino}"}, JournalHandler),
        ({"JOURNAL_STREAM": "8:1"}, PrefixHandler),
        ({"INVOCATION_ID": "0123"}, PrefixHandler),
        ({}, logging.StreamHandler),
    ):
        journal.set_up(environment=environment)
        assert type(root.handlers[0]) is expected


def test_people_read_the_time_the_level_and_the_sentence(
    root: logging.Logger, capsys: pytest.CaptureFixture[str]
) -> None:
    journal.set_up(environment={})
    logging.getLogger("agent.test").warning("the roof is open")
    assert root.handlers
    assert capsys.readouterr().err.split(" ", 1)[1] == "WARNING the roof is open\n"
    assert sys.stderr is not None


def test_trouble_is_told_once_and_its_end_once(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    trouble = Trouble(logging.getLogger("agent.test"), settle=60)
    for at in range(100):
        trouble.failed(float(at), AWAY, "it")
    assert trouble.count == 100
    assert trouble.worked(100.0, BACK, "it", " after 100 s")
    assert not trouble.worked(101.0, BACK, "it", " after 100 s")
    assert caplog.messages == ["it is away", "it is back after 100 s"]


def test_what_comes_and_goes_is_told_over_only_after_a_calm_while(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    trouble = Trouble(logging.getLogger("agent.test"), settle=60)
    for at in range(0, 3600, 10):
        trouble.failed(float(at), AWAY, "it")
        trouble.worked(at + 5.0, BACK, "it", "")
    for at in range(3600, 3800, 5):
        trouble.worked(float(at), BACK, "it", " for good")
    assert caplog.messages == [
        "it is away",
        "it is back",
        "it is away; it comes and goes: repeats are counted until it has been well for 60 s",
        "it is back for good",
    ]


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.25, "0.2 s"),
        (1, "1 s"),
        (9.5, "9.5 s"),
        (59.6, "60 s"),
        (119, "119 s"),
        (180, "3 min"),
        (7200, "2 h"),
    ],
)
def test_spans_are_told_as_people_say_them(seconds: float, words: str) -> None:
    assert spoken(seconds) == words
    assert spoken(3 * 86400.0) == "3 days"


def test_what_root_tells_of_a_unit_is_found_with_that_unit(
    listener: socket.socket, tmp_path: Path, root: logging.Logger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal, "_SOCKET", tmp_path / "socket")
    monkeypatch.setattr(journal.JournalHandler.__init__, "__defaults__", (tmp_path / "socket", ""))
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    journal.set_up(environment={}, unit="citygate.service")
    BACK.tell(logging.getLogger("agent.test"), "the broker", "")
    found = _fields(listener.recv(4096))
    assert (found["OBJECT_SYSTEMD_UNIT"], found["CODE"]) == ("citygate.service", "it-is-back")
    [handler] = root.handlers
    handler.close()
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    journal.set_up(environment={}, unit="citygate.service")
    assert not isinstance(root.handlers[0], JournalHandler), "from others the journal would not take it"


def test_a_line_of_a_library_has_no_fields_of_ours(tmp_path: Path, listener: socket.socket) -> None:
    handler = JournalHandler(tmp_path / "socket")
    record = logging.makeLogRecord({"name": "paho", "msg": "odd", "levelno": logging.ERROR, "fields": "none"})
    handler.handle(record)
    handler.close()
    sent = listener.recv(4096)
    assert b"MESSAGE=odd\n" in sent
    assert b"none" not in sent


def test_without_a_standard_error_nothing_is_taken_for_the_journal(monkeypatch: pytest.MonkeyPatch) -> None:
    def closed(_: int) -> os.stat_result:
        raise OSError(9, "Bad file descriptor")

    with monkeypatch.context() as without:
        without.setattr(os, "fstat", closed)
        taken = _is_journal("8:1234")
    assert not taken
