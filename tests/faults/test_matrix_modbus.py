"""What breaks between the gateway and a Modbus device, with the real daemon and libmodbus' server."""

from __future__ import annotations

import time

import pytest

from tests.faults.trial import Trial
from tests.faults.ways import lossy
from tests.peers.proxy import Spoil, garbled

_HEAD = 7  # bytes of Modbus TCP before the function


@pytest.mark.long
def test_a_unit_that_is_silent_is_marked_and_read_again_when_it_answers(trial: Trial) -> None:
    trial.begin(edit=_impatient)
    with trial.hurt():
        trial.meter.mute(1)
        trial.told("device-silent")
        trial.meter.mute()
    trial.judge()


@pytest.mark.long
def test_each_exception_is_told_for_what_it_is(trial: Trial) -> None:
    trial.begin(edit=_impatient)
    with trial.hurt():
        for code in (1, 2, 3, 4, 5, 6, 7, 8, 10, 11):
            trial.meter.refuse("input", 0, 100, code=code)
            time.sleep(1.5)
            trial.meter.relent()
        time.sleep(1)
    trial.judge()


@pytest.mark.long
def test_a_busy_device_is_marked_and_not_hammered(trial: Trial) -> None:
    trial.begin(edit=_impatient)
    with trial.hurt():
        trial.meter.refuse("input", 0, 100, code=6)
        trial.meter.requests()
        time.sleep(6)
        asked = len(trial.meter.requests())
        trial.meter.relent()
    trial.judge()
    assert asked <= 26, "a busy device is asked more often than it is polled"


def _wrong_number(data: bytes) -> bytes:
    """Give another transaction's number."""
    return bytes(((data[0] + 7) % 256, *data[1:]))


def _cut_short(data: bytes) -> bytes:
    """Leave out the last bytes, and say so in the length."""
    return data[:4] + (len(data) - 6 - 2).to_bytes(2, "big") + data[6:-2]


def _twice(data: bytes) -> bytes:
    """Say everything twice."""
    return data + data


SPOILS: dict[str, Spoil] = {
    "wrong number": _wrong_number,
    "cut short": _cut_short,
    "garbage": garbled,
    "twice": _twice,
}


@pytest.mark.long
@pytest.mark.parametrize("spoil", SPOILS)
def test_a_reply_that_is_none_gives_no_value(trial: Trial, spoil: str) -> None:
    trial.begin(edit=_impatient)
    with trial.hurt():
        trial.meter_way.set("garbage", spoil=SPOILS[spoil])
        time.sleep(6)
        trial.meter_way.set("ok")
    trial.judge()
    values = {tuple(row[2:]) for body in trial.books.bodies if body["k"] == "batch" for row in body["r"]}
    assert values <= {(0,), (1,), (2,), (None,)}, "register i holds i, and nothing else may arrive"


@pytest.mark.long
@pytest.mark.parametrize("mode", ["hole", "cut"])
def test_a_connection_that_breaks_is_made_anew(trial: Trial, mode: str) -> None:
    trial.begin(edit=_impatient)
    with trial.hurt():
        trial.meter_way.set(mode)  # type: ignore[arg-type]  # the parameter is one of its words
        time.sleep(6)
        trial.meter_way.set("ok")
    trial.judge()


@pytest.mark.long
def test_replies_that_come_late_are_nobody_elses(trial: Trial) -> None:
    trial.begin(edit=_impatient)
    with trial.hurt():
        trial.meter_way.set("slow", delay=1.2)
        time.sleep(8)
        trial.meter_way.set("ok")
    trial.judge()
    values = {(row[0], row[2]) for body in trial.books.bodies if body["k"] == "batch" for row in body["r"]}
    assert values <= {(f"meter.p{n}", value) for n in range(3) for value in (n, None)}


def _impatient(text: str) -> str:
    """Let the link wait for a second, not three, so that a test need not."""
    return text.replace("port = ", 'timeout = "1s"\nport = ')


@pytest.mark.long
def test_packets_that_are_lost_make_replies_late_and_no_value_wrong(trial: Trial) -> None:
    trial.begin(edit=_impatient)
    with trial.hurt(), lossy(trial.meter_way.port, 0.2):
        time.sleep(15)
    trial.judge()
