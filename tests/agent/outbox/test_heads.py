"""What a witness keeps speaks against a ledger that was rewritten, cut short or begun anew."""

from __future__ import annotations

import asyncio
import base64
import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from agent.core.ed25519 import Key, verifies
from agent.core.errors import OutboxError
from agent.core.message import Place, Tip
from agent.encodings.native import Native
from agent.outbox import chain
from agent.outbox.heads import Heads, compare
from agent.outbox.ledger import verify
from agent.outbox.outbox import FILE
from agent.outbox.signing import KEY, PUBLIC, own_key, pem, read_public
from tests.agent.outbox.scenes import START, World
from tests.peers import need

NATIVE = Native(Place(city="vaasa", site="library", gateway="gw1"))
# RFC 8032, section 7.1, test 2
SEED = "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb"
PUBLIC_HALF = "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c"
SIGNED = (
    "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
    "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"
)


def head_of(world: World, key: Key | None = None, lid: str = "") -> bytes:
    """Give the head that a witness would get now."""
    number, link = world.outbox.head
    used = key or world.outbox.key
    assert used is not None
    tip = Tip(lid=lid or world.outbox.lid, id=number, hash=link, at=world.clock.utc, policy="3b683cb786f6")
    message = NATIVE.head(tip, used.public, used.sign)
    assert message.topic == "citygate/1/vaasa/library/gw1/l"
    assert message.retain
    return message.body


async def filled(folder: Path, windows: int = 5) -> World:
    world = World(folder)
    await world.start()
    for _ in range(windows):
        world.clock.turn(60.0)
        world.window()
        await world.outbox.flush()
    return world


def against(folder: Path, *heads: bytes, public: bytes | None = None) -> Heads:
    kept = folder / "heads"
    kept.write_bytes(b"".join(b"citygate/1/vaasa/library/gw1/l " + one + b"\n" for one in heads))
    return compare(folder / FILE, [kept], public)


def test_the_signature_is_that_of_the_standard() -> None:
    key = Key(bytes.fromhex(SEED))
    assert key.public.hex() == PUBLIC_HALF
    assert key.sign(b"r").hex() == SIGNED
    assert verifies(key.public, b"r", bytes.fromhex(SIGNED))
    assert not verifies(key.public, b"s", bytes.fromhex(SIGNED))
    assert not verifies(key.public[1:], b"r", bytes.fromhex(SIGNED))


def test_the_key_is_made_once_and_for_nobody_else_to_read(tmp_path: Path) -> None:
    first, again = own_key(tmp_path), own_key(tmp_path)
    assert first.public == again.public
    assert (tmp_path / KEY).stat().st_mode & 0o777 == 0o600
    assert read_public((tmp_path / PUBLIC).read_text("ascii")) == first.public


def test_a_public_half_that_is_of_another_key_is_put_right(tmp_path: Path) -> None:
    key = own_key(tmp_path)
    (tmp_path / PUBLIC).write_text(pem(Key(bytes(32)).public), "ascii")
    before = (tmp_path / PUBLIC).stat().st_mtime_ns
    assert own_key(tmp_path).public == key.public == read_public((tmp_path / PUBLIC).read_text("ascii"))
    after = (tmp_path / PUBLIC).stat().st_mtime_ns
    own_key(tmp_path)
    assert before < after == (tmp_path / PUBLIC).stat().st_mtime_ns


@pytest.mark.parametrize("text", ["", "00", "zz" * 32])
def test_a_spoilt_key_is_told(tmp_path: Path, text: str) -> None:
    (tmp_path / KEY).write_text(text, "ascii")
    with pytest.raises(OutboxError, match="key"):
        own_key(tmp_path)


async def test_a_stranger_verifies_a_head_with_openssl_alone(tmp_path: Path) -> None:
    world = await filled(tmp_path)
    body = head_of(world)
    line, _, rest = body.rpartition(b',"sig":"')
    (tmp_path / "line").write_bytes(line + b"}")
    (tmp_path / "sig").write_bytes(base64.b64decode(rest.removesuffix(b'"}')))
    words = ["pkeyutl", "-verify", "-pubin", "-inkey", str(tmp_path / PUBLIC), "-rawin"]
    words += ["-in", str(tmp_path / "line"), "-sigfile", str(tmp_path / "sig")]
    done = await asyncio.create_subprocess_exec(need("openssl"), *words, stdout=asyncio.subprocess.PIPE)
    out, _ = await done.communicate()
    assert b"Verified Successfully" in out
    await world.outbox.close()


async def test_one_head_is_enough_and_none_is_not(tmp_path: Path) -> None:
    world = await filled(tmp_path)
    assert against(tmp_path, head_of(world)).holds
    assert not against(tmp_path).holds
    await world.outbox.close()


async def test_heads_of_every_hour_are_confirmed(tmp_path: Path) -> None:
    world = await filled(tmp_path)
    heads = [head_of(world)]
    world.window()
    await world.outbox.flush()
    heads.append(head_of(world))
    found = against(tmp_path, *heads)
    assert (found.holds, found.heads, found.confirmed, found.faults) == (True, 2, 2, ())
    await world.outbox.close()


def _rewrite(path: Path, number: int) -> None:
    """Change a message and recompute every hash after it, as somebody who is root could."""
    with closing(sqlite3.connect(path)) as db:
        names = dict(db.execute("SELECT number, name FROM route"))
        link = chain.START
        columns = "id, route, epoch, seq, kind, made, boot, policy, topic, props, body"
        for row in db.execute(f"SELECT {columns} FROM row ORDER BY id").fetchall():  # noqa: S608 - fixed
            *head, body = row
            body = body.replace(b"xxx", b"yyy") if row[0] == number else body
            head[1] = names[row[1]]
            digest = chain.digest(body)
            link = chain.link(link, tuple(head), digest)
            db.execute("UPDATE row SET body=?, digest=?, link=? WHERE id=?", (body, digest, link, row[0]))
        db.commit()


async def test_a_rewritten_ledger_verifies_by_itself_and_not_against_a_witness(tmp_path: Path) -> None:
    world = await filled(tmp_path)
    head = head_of(world)
    await world.outbox.close()
    _rewrite(tmp_path / FILE, 3)
    assert verify(tmp_path / FILE).holds
    found = against(tmp_path, head)
    assert not found.holds
    assert "was rewritten" in found.faults[0]


async def test_a_ledger_whose_end_was_taken_away_is_found(tmp_path: Path) -> None:
    world = await filled(tmp_path)
    head = head_of(world)
    await world.outbox.close()
    with closing(sqlite3.connect(tmp_path / FILE)) as db:
        db.execute("DELETE FROM row WHERE id > 3")
        db.commit()
    assert verify(tmp_path / FILE).holds
    assert "rows have been taken away" in against(tmp_path, head).faults[0]


async def test_a_ledger_that_was_begun_anew_is_found(tmp_path: Path) -> None:
    world = await filled(tmp_path)
    assert "it was begun anew" in against(tmp_path, head_of(world, lid="ffffffff")).faults[0]
    await world.outbox.close()


FORGED: list[tuple[Callable[[bytes], bytes], str]] = [
    (lambda body: body.replace(b'"policy":"3b', b'"policy":"4b'), "the signature does not fit"),
    (lambda body: body.replace(b'"id":6', b'"id":5'), "the signature does not fit"),
    (lambda body: body.replace(b'"key":"', b'"key":"!'), "this is no head of a ledger"),
    (lambda body: body[: body.index(b',"sig"')] + b"}", "this is no head of a ledger"),
    (
        lambda body: body[:-40] + (b"B" if body[-40:-39] == b"A" else b"A") + body[-39:],
        "the signature does not fit",
    ),
]


@pytest.mark.parametrize(("forge", "sentence"), FORGED)
async def test_a_head_that_was_changed_is_found(
    tmp_path: Path, forge: Callable[[bytes], bytes], sentence: str
) -> None:
    world = await filled(tmp_path)
    body = head_of(world)
    assert forge(body) != body
    [fault] = against(tmp_path, body, forge(body)).faults
    assert fault.startswith("heads:2: ")
    assert sentence in fault
    await world.outbox.close()


async def test_a_head_by_another_key_is_no_witness(tmp_path: Path) -> None:
    world = await filled(tmp_path)
    stranger = head_of(world, Key(bytes(32)))
    assert "another key" in against(tmp_path, head_of(world), stranger).faults[0]
    own = world.outbox.key
    assert own is not None
    assert "another key" in against(tmp_path, stranger, public=own.public).faults[0]
    await world.outbox.close()


async def test_a_head_whose_row_has_left_by_retention_is_no_fault_and_no_proof(tmp_path: Path) -> None:
    world = await filled(tmp_path, windows=80)
    old = head_of(world)
    await world.deliver()
    await world.flush()
    world.clock.turn(world.keep + 3600.0)
    await world.flush()
    found = against(tmp_path, old)  # its row is the anchor: the last that has left
    assert (found.confirmed, found.older, found.faults) == (1, 0, ())
    for _ in range(70):
        world.clock.turn(60.0)
        world.window()
        await world.outbox.flush()
        await world.deliver()
    world.clock.turn(world.keep + 3600.0)
    await world.flush()
    found = against(tmp_path, old)
    assert (found.confirmed, found.older, found.faults) == (0, 1, ())
    assert not found.holds
    await world.outbox.close()


def test_a_head_passes_the_schema_of_the_native_format() -> None:
    import jsonschema

    from agent.encodings.native import native_schema

    key = Key(bytes.fromhex(SEED))
    tip = Tip(lid="3f9c0a1b", id=10432, hash="ab" * 32, at=START, policy="3b683cb786f6")
    body = json.loads(NATIVE.head(tip, key.public, key.sign).body)
    jsonschema.Draft202012Validator(native_schema()).validate(body)
    assert body["t"] == "2026-11-21T20:00:00Z"


def test_a_key_is_read_from_pem_and_from_base64() -> None:
    key = Key(bytes.fromhex(SEED))
    assert read_public(pem(key.public)) == key.public
    assert read_public(base64.b64encode(key.public).decode()) == key.public
    with pytest.raises(ValueError, match="no public key"):
        read_public("AAAA")
    with pytest.raises(ValueError, match="base64"):
        read_public("!" + base64.b64encode(key.public).decode())
