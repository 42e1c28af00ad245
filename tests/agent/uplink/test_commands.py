"""Foreign bytes on the command topic: what is not exactly one of two commands is refused, or not heard."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.core.command import LARGEST, MOST
from agent.encodings.native import Native
from agent.uplink.commands import BURST, Allowance
from tests.agent.uplink.kit import PLACE, ROOT, until
from tests.agent.uplink.replaying import VIRTUAL, Site, again, answers, first_time, outcomes, site
from tests.peers.fake_broker import FakeBroker, fake_broker
from tests.virtual import VirtualClock

REPLAY, REBIRTH = f"{ROOT}/c/replay", f"{ROOT}/c/rebirth"
GOOD: dict[str, Any] = {
    "v": 1, "k": "replay", "lid": "3f9c0a1b", "product": "energy", "e": 1, "from": 1, "to": 2
}  # fmt: skip
NO_COMMANDS = [
    b"",
    b"null",
    b"[]",
    b"{",
    b'"replay"',
    b"\xff\xfe",
    b'{"v":1,"k":"rebirth"}',
    json.dumps(GOOD | {"v": 2}).encode(),
    json.dumps(GOOD | {"k": "write"}).encode(),
    json.dumps(GOOD | {"more": 1}).encode(),
    json.dumps(GOOD | {"e": "1"}).encode(),
    json.dumps(GOOD | {"e": -1}).encode(),
    json.dumps(GOOD | {"from": 1.5}).encode(),
    json.dumps(GOOD | {"from": True}).encode(),
    json.dumps(GOOD | {"to": 1 << 60}).encode(),
    json.dumps(GOOD | {"product": "energy/../people"}).encode(),
    json.dumps(GOOD | {"product": "+"}).encode(),
    json.dumps(GOOD | {"lid": "x" * 37}).encode(),
    json.dumps(GOOD).encode() + b" " * LARGEST,
    *(json.dumps({key: one for key, one in GOOD.items() if key != gone}).encode() for gone in GOOD),
]


async def told(broker: FakeBroker, running: Site, *commands: tuple[str, bytes]) -> None:
    """Say commands, one a minute, and wait for their answers."""
    for count, (topic, body) in enumerate(commands, 1):
        broker.tell(topic, body)
        await until(lambda: len(answers(broker)) >= count, VIRTUAL, step=1.0)  # noqa: B023
        await running.clock.sleep(60.0)


@pytest.mark.parametrize("body", NO_COMMANDS)
def test_what_is_not_exactly_a_command_is_none(body: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        Native(PLACE).read("replay", body)


@given(st.binary(max_size=LARGEST + 10))
def test_no_bytes_do_anything_but_be_refused_or_read(body: bytes) -> None:
    for verb in ("replay", "rebirth"):
        try:
            found = Native(PLACE).read(verb, body)
        except ValueError:
            continue
        assert found.verb == verb


async def test_a_malformed_command_is_answered_and_does_nothing(
    virtual: VirtualClock, tmp_path: Path
) -> None:
    async with fake_broker() as broker, site(tmp_path, broker.port, virtual) as running:
        await running.windows(3)
        births = sum("/b/" in one.topic for one in broker.accepted)
        await told(broker, running, (REPLAY, b"{"), (REBIRTH, b"{}"))
        assert sum("/b/" in one.topic for one in broker.accepted) == births
        assert running.uplink.figures["commands_refused"] == 2
    assert outcomes(broker) == [("refused", "malformed")] * 2
    assert [one["re"] for one in answers(broker)] == ["replay", "rebirth"]
    assert again(broker) == []


@pytest.mark.parametrize(
    ("but", "why"),
    [
        ({"lid": "00000000"}, "numbering"),
        ({"from": 3, "to": 2}, "range"),
        ({"from": 0, "to": 2}, "range"),
        ({"from": 1, "to": MOST + 1}, "range"),
        ({"product": "people-flow"}, "product"),
    ],
)
async def test_what_cannot_be_meant_is_refused_in_words(
    virtual: VirtualClock, tmp_path: Path, but: dict[str, object], why: str
) -> None:
    async with fake_broker() as broker, site(tmp_path, broker.port, virtual) as running:
        await running.windows(3)
        await told(broker, running, (REPLAY, running.wish(1, 2, **but)))
    assert outcomes(broker) == [("refused", why)]
    assert len(answers(broker)[0]["text"]) > 20
    assert again(broker) == []


async def test_commands_beyond_the_bound_are_answered_once_and_then_not_at_all(
    virtual: VirtualClock, tmp_path: Path
) -> None:
    async with fake_broker() as broker, site(tmp_path, broker.port, virtual) as running:
        await running.windows(1)
        for _ in range(500):
            broker.tell(REBIRTH, b'{"v":1,"k":"rebirth"}')
        await virtual.sleep(10.0)
        assert outcomes(broker) == [("done", "")] * BURST + [("refused", "busy")]
        await virtual.sleep(120.0)
        broker.tell(REBIRTH, b'{"v":1,"k":"rebirth"}')
        await virtual.sleep(10.0)
        assert outcomes(broker)[-1] == ("done", "")
        assert running.uplink.figures["commands_refused"] == 500 - BURST
        assert len(first_time(broker)) == 2


def test_an_allowance_grows_back_one_by_one() -> None:
    allowance = Allowance(2, 60.0, 0.0)
    assert [allowance.take(at) for at in (0, 0, 0, 59, 61, 61, 1000, 1000, 1000)] == [
        True, True, False, False, True, False, True, True, False,
    ]  # fmt: skip


async def test_a_command_that_was_retained_is_not_obeyed(virtual: VirtualClock, tmp_path: Path) -> None:
    async with fake_broker() as broker, site(tmp_path, broker.port, virtual) as running:
        await running.windows(2)
        broker.tell(REPLAY, running.wish(1, 2), retain=True)
        await virtual.sleep(60.0)
        assert running.uplink.figures["commands_refused"] == 1
    assert broker.options == [0x21] * 2  # quality 1, and nothing that was retained
    assert answers(broker) == []


async def test_a_topic_that_is_no_command_does_nothing(virtual: VirtualClock, tmp_path: Path) -> None:
    async with fake_broker() as broker, site(tmp_path, broker.port, virtual) as running:
        await running.windows(2)
        for end in ("c/write", "c/replay/x", "d/energy", "c"):
            broker.tell(f"{ROOT}/{end}", running.wish(1, 2))
        await virtual.sleep(60.0)
    assert answers(broker) == []
    assert again(broker) == []


def asking(reply_to: str = "", correlation: bytes = b"") -> bytes:
    """Write the MQTT 5 properties of a request."""
    made = b""
    if reply_to:
        made += b"\x08" + len(reply_to).to_bytes(2, "big") + reply_to.encode()
    if correlation:
        made += b"\x09" + len(correlation).to_bytes(2, "big") + correlation
    return made


async def test_an_answer_goes_where_it_was_wished_with_what_was_given_along(
    virtual: VirtualClock, tmp_path: Path
) -> None:
    async with fake_broker() as broker, site(tmp_path, broker.port, virtual) as running:
        await running.windows(3)
        properties = asking(f"{ROOT}/r/loader-7", b"\x00\x01ask")
        broker.tell(REPLAY, running.wish(1, 2), properties=properties)
        await until(lambda: ("done", "") in outcomes(broker), VIRTUAL, step=1.0)
        said = [one for one in broker.accepted if b'"answer"' in one.body]
    assert {one.topic for one in said} == {f"{ROOT}/r/loader-7"}
    assert [one.properties[0x09] for one in said] == [b"\x00\x01ask"] * 2


@pytest.mark.parametrize(
    "reply_to",
    [
        "elsewhere",
        "citygate/1/vaasa/library/gw2/r",
        f"{ROOT}/d/energy",
        f"{ROOT}/s",
        f"{ROOT}/r/energy",  # the topic of what is sent again
        f"{ROOT}/r/a/b",
        f"{ROOT}/r/",
        f"{ROOT}/rr",
    ],
)
async def test_a_stranger_cannot_have_an_answer_written_anywhere_else(
    virtual: VirtualClock, tmp_path: Path, reply_to: str
) -> None:
    async with fake_broker() as broker, site(tmp_path, broker.port, virtual) as running:
        await running.windows(2)
        broker.tell(REPLAY, running.wish(1, 2), properties=asking(reply_to, b"x"))
        await until(lambda: len(answers(broker)) == 1, VIRTUAL, step=1.0)
        (said,) = [one for one in broker.accepted if b'"answer"' in one.body]
    assert said.topic == f"{ROOT}/r"
    assert 0x09 not in said.properties
    assert outcomes(broker) == [("refused", "reply")]
    assert again(broker) == []


async def test_too_much_to_give_back_is_refused(virtual: VirtualClock, tmp_path: Path) -> None:
    async with fake_broker() as broker, site(tmp_path, broker.port, virtual) as running:
        await running.windows(2)
        broker.tell(REPLAY, running.wish(1, 2), properties=asking(correlation=b"x" * 65))
        await until(lambda: len(answers(broker)) == 1, VIRTUAL, step=1.0)
    assert outcomes(broker) == [("refused", "reply")]


async def test_a_broker_that_lets_nobody_listen_gets_its_data_all_the_same(
    virtual: VirtualClock, tmp_path: Path
) -> None:
    async with fake_broker() as broker:
        broker.deaf = True
        async with site(tmp_path, broker.port, virtual) as running:
            await running.windows(3)
            assert "commands_unheard" in running.uplink.figures
            assert running.rig.errors == []
    assert len(first_time(broker)) == 4


async def test_answers_are_numbered_and_open_with_a_start(virtual: VirtualClock, tmp_path: Path) -> None:
    async with fake_broker() as broker:
        for _ in range(2):
            async with site(tmp_path, broker.port, virtual) as running:
                await running.windows(1)
                await told(broker, running, (REBIRTH, b'{"v":1,"k":"rebirth"}'))
                broker.tell(REBIRTH, b"{")
                await virtual.sleep(60.0)
            said = [json.loads(one.body) for one in broker.accepted if one.topic == f"{ROOT}/r"]
            broker.accepted.clear()
            assert [(one["k"], one["s"]) for one in said] == [("start", 1), ("answer", 2), ("answer", 3)]
    assert said[0]["prev"] == {"e": 1, "last": 3, "clean": True}


async def test_what_is_being_sent_again_is_shown_until_it_is_done(
    virtual: VirtualClock, tmp_path: Path
) -> None:
    async with fake_broker() as broker, site(tmp_path, broker.port, virtual, rate=5.0) as running:
        await running.windows(30)
        assert "replay" not in running.uplink.figures
        broker.tell(REPLAY, running.wish(1, 30))
        await until(lambda: len(again(broker)) > 2, VIRTUAL, step=0.1)
        shown = str(running.uplink.figures["replay"])
        assert shown.startswith("energy, run 1: ")
        assert shown.endswith(" to 30")
        await until(lambda: len(answers(broker)) == 2, VIRTUAL, step=1.0)
        assert "replay" not in running.uplink.figures


async def test_a_connection_that_ends_while_commands_are_asked_for_is_made_anew(
    virtual: VirtualClock, tmp_path: Path
) -> None:
    async with fake_broker() as broker:
        broker.mute = True
        async with site(tmp_path, broker.port, virtual) as running:
            await broker.until(lambda: len(broker.subscribed) == 1)
            broker.mute = False
            broker.drop()
            await running.windows(1)
            assert "commands_unheard" not in running.uplink.figures
            await told(broker, running, (REBIRTH, b'{"v":1,"k":"rebirth"}'))
        assert len(broker.connects) == 2
        assert len(running.rig.errors) == 1
    assert outcomes(broker) == [("done", "")]
