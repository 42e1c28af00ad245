"""The outbox after the disk has lied, and what others kept of what left."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final

from agent.core.errors import OutboxError
from agent.core.message import Place, Tip
from agent.encodings.native import Native
from agent.outbox import heads, salvage
from agent.outbox.ledger import export, match, verify
from agent.outbox.opening import open_or_salvage
from agent.outbox.store import Store
from agent.outbox.work import Span
from tests.agent.outbox.scenes import World, route
from tests.fuzz.loop import completed
from tests.fuzz.target import SEEDS, Feed, Run, Target

_DB: Final = "outbox.db"
_FILES: Final = (
    _DB,
    _DB,
    _DB,
    "outbox.db-wal",
    "outbox.db-wal",
    "epoch",
    "outbox.damaged",
    "ledger.key",
    "ledger.pub",
)
_ROUTES: Final = ("city.energy", "city.people")
_NOT_COPIED: Final = ("outbox.reserve", "outbox.lock", "outbox.db-shm", "kept")
_PAGE: Final = 4096
_CAP: Final = 1 << 20
_STARTS: Final = 2
_WINDOWS: Final = 10  # in each start: pages enough of every kind
_MOST: Final = 500
_THOROUGH: Final = 8
_Rows = dict[tuple[str, int, int], bytes]


async def _filled(folder: Path, windows: int) -> World:
    """Two starts on two routes, some of it delivered, then a kill."""
    world = World(folder, cap=_CAP)
    world.routes = tuple(route(name) for name in _ROUTES)
    for _ in range(_STARTS):
        await world.start()
        for number in range(windows):
            world.clock.turn(60.0)
            world.window(_ROUTES[number % 2], size=300)
        await world.flush()
        await world.deliver(most=windows // 2)
        await world.outbox.flush()
        if not (folder / "kept").exists():
            (folder / "kept").touch()
            world.crash()
    return world


def _rows(place: Path) -> _Rows:
    with closing(sqlite3.connect(place)) as db:
        found = db.execute(
            "SELECT name, epoch, seq, body FROM row JOIN route ON route=number WHERE body IS NOT NULL"
        )
        return {(name, epoch, seq): body for name, epoch, seq, body in found}


def _damaged(folder: Path) -> Run:
    whole, torn = folder / "whole", folder / "torn"
    whole.mkdir()
    world = completed(_filled(whole, _WINDOWS))
    before = _rows(whole / _DB)
    # while the file is open its log is still there, as after a cut of power
    kept = {one.name: one.read_bytes() for one in whole.iterdir() if one.name not in _NOT_COPIED}
    world.crash()

    def run(data: bytes) -> None:
        """Start on what is left; send nothing under a number that it did not have."""
        shutil.rmtree(torn, ignore_errors=True)
        torn.mkdir()
        damaged = _damage(kept, data)
        for name, content in (kept | damaged).items():
            (torn / name).write_bytes(content)
        # nobody can know any more which numbers were given
        lost = damaged.keys() & {"epoch", "outbox.damaged"} and damaged.keys() & {_DB, f"{_DB}-wal"}
        known = {} if lost else before
        try:
            with _near():
                found = completed(_sent(torn)) if _is_thorough(data) else _read(torn)
        except OutboxError as error:
            assert str(error)
            return
        assert sum(one.stat().st_size for one in torn.iterdir()) < 64 << 20
        if not known:
            return
        for key, body in found.items():
            assert known.get(key, body) == body, f"{key} is sent with another body"
            assert key in known or key[1] > _STARTS, f"{key} is sent, and was never given"
        if _is_thorough(data) and (torn / f"{_DB}.damaged").exists():
            after = _rows(torn / _DB)
            assert all(known.get(key, body) == body for key, body in after.items())
            assert verify(torn / _DB).faults == ()

    return run


@contextmanager
def _near() -> Iterator[None]:
    """Look for rows beyond the last known one in 300 places instead of 16,000: one spoilt page costs that."""
    far = vars(salvage)["_BEYOND"]
    setattr(salvage, "_BEYOND", 300)  # noqa: B010 - it is final to everybody else
    try:
        yield
    finally:
        setattr(salvage, "_BEYOND", far)  # noqa: B010


def _is_thorough(data: bytes) -> bool:
    """Say whether a whole outbox shall start on it, which takes far longer than to open its file."""
    return sum(data) % _THOROUGH == 0


def _read(folder: Path) -> _Rows:
    """Open or salvage the file and read all that it would hand out; raise OutboxError where it cannot."""
    store = Store(folder / _DB, _CAP)
    try:
        opening = open_or_salvage(store, lambda: "00000001")
        spans = [Span(route=one, holes=((opening.anchor, opening.tail),)) for one in opening.routes]
        found = store.backlog(spans, _MOST, frozenset())
    finally:
        store.abandon()
    names = opening.routes
    return {(names[one.route], one.epoch, one.seq): one.body for one in found if one.body is not None}


async def _sent(folder: Path) -> _Rows:
    """Start, and give what is sent."""
    return {(row.route, row.epoch, row.seq): row.body for row in (await _started(folder)).got}


async def _started(folder: Path) -> World:
    world = World(folder, cap=_CAP)
    world.routes = tuple(route(name) for name in _ROUTES)
    for _ in range(2):  # what is found at work is healed by the next start
        await world.start()
        world.clock.turn(60.0)
        world.window()
        await world.flush()
        await world.deliver()
        await world.outbox.flush()
        if not world.outbox.trouble:
            await world.outbox.close()
            return world
        world.crash()
    raise AssertionError(world.outbox.trouble)


def _damage(kept: dict[str, bytes], data: bytes) -> dict[str, bytes]:
    """Do to the files what *data* says, at most eight times."""
    feed = Feed(data)
    found: dict[str, bytes] = {}
    for _ in range(1 + feed.byte() % 8):
        name, what = feed.choose(_FILES), feed.byte() % 5
        content = bytearray(found.get(name, kept.get(name, b"")))
        at = int.from_bytes(feed.some(3), "big") % (len(content) + 1)
        size = feed.byte()
        match what:
            case 0:
                content[at : at + 1] = bytes((size,))
            case 1:
                page = at // _PAGE * _PAGE
                content[page : page + _PAGE] = bytes(min(_PAGE, len(content) - page))
            case 2:
                del content[at:]
            case 3:
                content[at : at + size] = feed.some(size)
            case 4:
                content[at : at + 16] = content[:16]
        found[name] = bytes(content)
    return found


def _witnessed(folder: Path) -> Run:
    world = completed(_filled(folder, 6))
    genuine = _head(world)
    assert world.outbox.key is not None
    public = world.outbox.key.public
    place, kept, seeds = folder / _DB, folder / "kept.txt", folder / SEEDS
    bodies = set(_rows(place).values())
    seeds.mkdir()
    with (seeds / "export").open("w", encoding="utf-8") as out:
        export(place, out)
    (seeds / "head").write_bytes(b"citygate/1/vaasa/library/gw1/l " + genuine + b"\n" + genuine)
    (seeds / "bodies").write_bytes(b"".join(b"plain/energy " + one + b"\n" for one in sorted(bodies)))

    def run(data: bytes) -> None:
        """Confirm no head that was not signed, and no message that did not leave."""
        kept.write_bytes(data)
        try:
            found, seen = heads.compare(place, [kept], public), match(place, [kept])
        except OutboxError as error:
            assert str(error)
            return
        assert not found.confirmed or genuine[: genuine.index(b',"sig"')] in data
        assert seen.rows + seen.proven + seen.strangers == seen.messages
        assert (
            not seen.rows or any(one[:20] in data.replace(b"\\", b"") for one in bodies) or b"base64" in data
        )

    return run


def _head(world: World) -> bytes:
    native = Native(Place(city="vaasa", site="library", gateway="gw1"))
    key = world.outbox.key
    assert key is not None
    number, link = world.outbox.head
    tip = Tip(lid=world.outbox.lid, id=number, hash=link, at=world.clock.utc, policy="3b683cb786f6")
    return native.head(tip, key.public, key.sign).body


def _scripts() -> Sequence[bytes]:
    many = {0: (0, 0), 3: (0x20, 0x33)}
    begins = [
        bytes((number, file, what, 0, *place, 7))
        for number, place in many.items()
        for file in range(2, len(_FILES))
        for what in range(5)
    ]
    return [one + bytes(range(60)) for one in begins]


TARGETS: Final = (
    Target(
        name="salvage",
        about="files of an outbox that were torn, zeroed or garbled",
        prepare=_damaged,
        seeds=_scripts,
        everyday=12,
        longest=80,
    ),
    Target(
        name="witness",
        about="heads and messages that others kept",
        prepare=_witnessed,
        seeds=lambda: [b"{}"],
        words=(b'"k":"head"', b'"sig":"', b'"}', b"\n", b'"base64":', b'"body":null', b"=", b"A==="),
        everyday=60,
        longest=6000,
    ),
)
