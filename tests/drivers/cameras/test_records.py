"""A record is believed only if it can be true, whoever sent it."""

from __future__ import annotations

import pytest
from msgspec import convert
from msgspec.structs import replace

from agent.core.scene import Scene
from agent.core.sight import (
    HOLES,
    NEWS_BURST,
    NEWS_EVERY,
    RECORD,
    UNCONFINED,
    VERSION,
    Camera,
    Sight,
    Watch,
    What,
    ceiling,
    cells,
)
from drivers.cameras.records import Holes, News, Numbers, Ready, Receiver, RefusedError

SCENE = convert({"lines": {"gate": {"from": [0.5, 0.9], "to": [0.5, 0.1]}}}, Scene)
WATCH = Watch(
    cameras=(Camera(name="square", source="file:/x", model="/m", scene=SCENE),),
    width=300,
    offset=1_000_000.25,
)
TABLE = cells(WATCH)
NOW = 10_000.0
BUCKET = int((NOW + WATCH.offset) // 300)
END = (BUCKET + 1) * 300 - WATCH.offset


class Sender:
    """Makes records in their right order, and wrong ones on request."""

    def __init__(self) -> None:
        self.seq = 0

    def record(self, what: int, value: int = 0, **wrong: int) -> bytes:
        self.seq += 1
        own = {"version": VERSION, "kind": what, "cell": 0, "bucket": 0, "width": 300, "value": value}
        fields = {**own, "seq": self.seq, "stamp": 0, **wrong}
        return RECORD.pack(*fields.values())

    def number(self, cell: int, value: int = 1, **wrong: int) -> bytes:
        right = {"cell": cell, "bucket": BUCKET, "stamp": round(END * 1e9), **wrong}
        return self.record(wrong.get("kind", What.NUMBER), value, **right)


def ready() -> tuple[Sender, Receiver]:
    sender, receiver = Sender(), Receiver(WATCH, NOW)
    assert receiver.take(sender.record(What.READY, 22), NOW) == Ready(22, [], [])
    return sender, receiver


def test_readiness_tells_what_was_tried() -> None:
    sender, receiver = Sender(), Receiver(WATCH, NOW)
    told = receiver.take(sender.record(What.READY, 3, bucket=0b1011), NOW)
    assert told == Ready(3, [HOLES[0], HOLES[1], HOLES[3]], [])


def test_what_worked_is_told_by_an_unconfined_process_alone() -> None:
    sender, receiver = Sender(), Receiver(WATCH, NOW)
    told = receiver.take(sender.record(What.READY | UNCONFINED, 1, bucket=0b11, stamp=0b10), NOW)
    assert told == Ready(1, [HOLES[0], HOLES[1]], [HOLES[1]])
    with pytest.raises(RefusedError, match="readiness with holes"):
        Receiver(WATCH, NOW).take(Sender().record(What.READY, 1, bucket=0b11, stamp=0b10), NOW)


@pytest.mark.parametrize("wrong", [{"bucket": 1 << 31}, {"bucket": 1, "stamp": 2}, {"stamp": 1 << 63}])
def test_a_list_of_attempts_that_cannot_be_is_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(RefusedError, match="wrong list of attempts"):
        Receiver(WATCH, NOW).take(Sender().record(What.READY | UNCONFINED, 1, **wrong), NOW)


def test_a_whole_bucket_gives_its_numbers() -> None:
    sender, receiver = ready()
    told = [receiver.take(sender.number(cell, 7), END) for cell in range(len(TABLE) - 1)]
    assert told == [None] * (len(TABLE) - 1)
    numbers = receiver.take(sender.record(
        What.UNKNOWN, cell=len(TABLE) - 1, bucket=BUCKET, stamp=round(END * 1e9)), END)  # fmt: skip
    assert isinstance(numbers, Numbers)
    assert (numbers.begin, numbers.end) == (END - 300, END)
    assert numbers.values == [
        value and 7 / cell.scale for cell, value in zip(TABLE, [1] * 6 + [None], strict=True)
    ]


@pytest.mark.parametrize(
    "wrong",
    [
        {"version": 2}, {"kind": 0}, {"kind": 99}, {"width": 301}, {"seq": 1}, {"seq": 3}, {"cell": 1},
        {"cell": 65535}, {"bucket": BUCKET + 1}, {"bucket": BUCKET - 1}, {"stamp": 0},
        {"stamp": round(END * 1e9) + 1}, {"value": TABLE[0].most + 1}, {"value": 2**32 - 1},
        {"kind": What.UNKNOWN}, {"kind": What.NUMBER | UNCONFINED}, {"kind": What.READY},
        {"kind": What.HOLES},
    ],
)  # fmt: skip
def test_a_number_that_cannot_be_true_is_refused(wrong: dict[str, int]) -> None:
    sender, receiver = ready()
    value = wrong.pop("value", 1)
    with pytest.raises(RefusedError):
        receiver.take(sender.number(wrong.pop("cell", 0), value, **wrong), END)


@pytest.mark.parametrize("length", [0, 1, 31, 33])
def test_a_packet_of_another_length_is_refused(length: int) -> None:
    sender, receiver = ready()
    with pytest.raises(RefusedError, match=f"{length} bytes"):
        receiver.take((sender.number(0) + b"x")[:length], END)


def test_no_number_comes_before_its_time() -> None:
    sender, receiver = ready()
    with pytest.raises(RefusedError, match="bucket"):
        receiver.take(sender.number(0), END - 2)


def test_no_number_comes_twice() -> None:
    sender, receiver = ready()
    for cell in range(len(TABLE)):
        receiver.take(sender.number(cell), END)
    with pytest.raises(RefusedError, match="bucket"):
        receiver.take(sender.number(0), END)


def test_no_number_comes_before_the_cage_is_proven() -> None:
    with pytest.raises(RefusedError, match="readiness"):
        Receiver(WATCH, NOW).take(Sender().number(0), END)


def test_the_news_of_a_camera_come_at_the_pace_that_was_agreed() -> None:
    sender, receiver = ready()
    for _ in range(NEWS_BURST + 1):
        assert receiver.take(sender.record(What.NEWS, Sight.DARK), NOW) == News(0, Sight.DARK, final=False)
    later = sender.record(What.NEWS, Sight.OK)
    with pytest.raises(RefusedError, match="pace"):
        receiver.take(later, NOW + 1)
    sender, receiver = ready()
    for beat in range(20):
        receiver.take(sender.record(What.NEWS, Sight.OK), NOW + beat * NEWS_EVERY)


def test_holes_are_named() -> None:
    told = Receiver(WATCH, NOW).take(Sender().record(What.HOLES, 1 << HOLES.index("exec") | 1), NOW)
    assert told == Holes(["disk:/tmp", "exec"])


def test_a_mark_stays_for_the_session() -> None:
    sender, receiver = Sender(), Receiver(WATCH, NOW)
    receiver.take(sender.record(What.READY | UNCONFINED, 20), NOW)
    assert receiver.unconfined
    with pytest.raises(RefusedError, match="mark"):
        receiver.take(sender.number(0), END)


def test_both_sides_number_the_cells_of_several_cameras_alike() -> None:
    two = replace(WATCH, cameras=(WATCH.cameras[0], replace(WATCH.cameras[0], name="other")))
    assert [one.camera for one in cells(two)] == [0] * 7 + [1] * 7
    assert ceiling(4, 0, 900) == 512  # bytes an hour
