"""Records that cannot be true, as somebody would send them who wants to bring out a picture, or free bits.

Each is given to a reader that has been told that the cage holds. What it does not refuse is believed.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import Final

from agent.core.sight import NEWS_BURST, RECORD, UNCONFINED, VERSION, Sight, Watch, What, cells
from drivers.cameras.records import Receiver, RefusedError

_BUCKET: Final = 1
_JPEG: Final = bytes.fromhex("ffd8ffe000104a46494600010100000100010000ffdb00430008060607060508")


def believed(watch: Watch) -> tuple[int, list[str]]:
    """Say how many forgeries were tried on a reader of *watch*, and name those that it believed."""
    tried = dict(_forgeries(watch))
    found = [name for name, packets in tried.items() if not _is_refused(watch, packets)]
    if _is_refused(watch, [_number(watch)]):
        found.append("nothing, not even what is true")
    return len(tried), found


def _is_refused(watch: Watch, packets: list[bytes]) -> bool:
    now = (_BUCKET + 1) * watch.width - watch.offset  # when the bucket ends
    receiver = Receiver(watch, now - watch.width / 2)
    receiver.take(_record(watch, What.READY, seq=1), now)
    with suppress(RefusedError):
        for packet in packets:
            receiver.take(packet, now)
        return False
    return True


def _forgeries(watch: Watch) -> Iterator[tuple[str, list[bytes]]]:
    first = cells(watch)[0]
    yield "the bytes of a picture", [_JPEG]
    yield "a picture of one packet", [_JPEG * 600]
    yield "a longer record", [_number(watch) + b"x"]
    yield "a shorter record", [_number(watch)[:-1]]
    yield "a number that cannot be", [_number(watch, value=first.most + 1)]
    yield "a value of what nobody could tell", [_number(watch, kind=What.UNKNOWN, value=1)]
    yield "a stamp with free bits", [_number(watch, stamp=1)]
    yield "a number out of turn", [_number(watch, cell=1)]
    yield "a number of no cell", [_number(watch, cell=60_000)]
    yield "a cell of the future", [_number(watch, bucket=_BUCKET + 9)]
    yield "a cell of the past", [_number(watch, bucket=_BUCKET - 1)]
    yield "a repeated number", [_number(watch), _number(watch, seq=3)]
    yield "a record that skips one", [_number(watch, seq=3)]
    yield "a record of another version", [_number(watch, version=VERSION + 1)]
    yield "a record of another width", [_number(watch, width=watch.width + 1)]
    yield "a record without a meaning", [_number(watch, kind=99)]
    yield "a mark that comes and goes", [_number(watch, kind=What.NUMBER | UNCONFINED)]
    yield "readiness twice", [_record(watch, What.READY, seq=2)]
    yield "a word that is none", [_record(watch, What.NEWS, seq=2, value=len(Sight))]
    yield "a word of no camera", [_record(watch, What.NEWS, seq=2, cell=len(watch.cameras))]
    yield "words in a torrent", [_record(watch, What.NEWS, seq=2 + n) for n in range(NEWS_BURST + 2)]


def _number(watch: Watch, **other: int) -> bytes:
    """Write the first number of the bucket that ends now, but for what is *other*."""
    bucket = other.pop("bucket", _BUCKET)
    end = round(((bucket + 1) * watch.width - watch.offset) * 1e9) + other.pop("stamp", 0)
    kind = other.pop("kind", int(What.NUMBER))
    return _record(watch, kind, **{"seq": 2, "bucket": bucket, "stamp": end, **other})


def _record(watch: Watch, kind: int, **other: int) -> bytes:
    fields = {
        "version": VERSION, "kind": kind, "cell": 0, "bucket": 0, "width": watch.width, "value": 0,
        "seq": 1, "stamp": 0, **other,
    }  # fmt: skip
    return RECORD.pack(*fields.values())
