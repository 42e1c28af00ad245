"""What we send: golden bytes, and the same packets as paho's own code writes and reads them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from agent.core.message import Message
from agent.uplink.mqtt import writing
from agent.uplink.mqtt.values import read_length
from agent.uplink.port import Call, Packet

WORD = "p"
WILL = Message(topic="s", body=b"{}", kind="status", retain=True)


def test_connect_asks_for_a_clean_start_and_limits_what_may_come() -> None:
    call = Call(host="h", port=1, client_id="gw1", username="u", password=WORD, keepalive=20, will=WILL)
    assert writing.connect(call, five=True) == bytes.fromhex(
        "10 40 0004 4d515454 05 ee 0014"  # will at quality 1, retained; user name and password
        "0d 11 00000000 21 0010 27 00010000"  # no session; 16 messages and 64 KB for us at most
        "0003 677731"
        "15 01 01 03 0010 6170706c69636174696f6e2f6a736f6e"
        "0001 73 0002 7b7d"
        "0001 75 0001 70"
    )


def test_connect_of_the_older_version_has_no_properties() -> None:
    call = Call(host="h", port=1, client_id="gw1", keepalive=20, version="3.1.1")
    assert writing.connect(call, five=False) == bytes.fromhex("10 0f 0004 4d515454 04 02 0014 0003 677731")


def test_publish_carries_expiry_type_and_user_properties() -> None:
    packet = Packet(topic="a/b", body=b"x", content_type="t", user=(("id", "1"),), expiry=60)
    assert writing.publish(packet, 7, five=True) == bytes.fromhex(
        "32 1c 0003 612f62 0007 13 01 01 02 0000003c 03 0001 74 26 0002 6964 0001 31 78"
    )
    assert writing.publish(packet, 7, five=False) == bytes.fromhex("32 08 0003 612f62 0007 78")


def test_quality_0_has_no_identifier_and_the_retain_flag_is_kept() -> None:
    packet = Packet(topic="a", body=b"", qos=0, retain=True, utf8=False)
    assert writing.publish(packet, 7, five=True) == bytes.fromhex("31 06 0001 61 02 01 00")


@pytest.mark.parametrize("topic", ["", "a/+", "#", "a\0b", "a" * 65536])
def test_a_topic_that_no_broker_takes_is_not_sent(topic: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        writing.publish(Packet(topic=topic, body=b""), 1, five=True)


def test_subscribe_wants_nothing_that_was_retained() -> None:
    assert writing.subscribe("c/#", 3, five=True) == bytes.fromhex("82 09 0003 00 0003 632f23 21")
    assert writing.subscribe("c/#", 3, five=False) == bytes.fromhex("82 08 0003 0003 632f23 01")


def test_disconnect_gives_its_reason_where_there_is_one() -> None:
    assert writing.disconnect(five=True) == b"\xe0\x00"
    assert writing.disconnect(0x81, five=True) == b"\xe0\x01\x81"
    assert writing.disconnect(0x81, five=False) == b"\xe0\x00"


words = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=30)


@given(st.booleans(), st.none() | st.integers(0, 0xFFFFFFFF), words, st.lists(st.tuples(words, words)))
def test_properties_are_read_by_paho_as_they_were_meant(
    utf8: bool, expiry: int | None, kind: str, user: list[tuple[str, str]]
) -> None:
    packet = Packet(topic="t", body=b"", utf8=utf8, expiry=expiry, content_type=kind, user=tuple(user))
    raw = writing.publish_properties(packet)
    found = read_length(raw, 0)
    assert found is not None
    assert len(raw) == sum(found)
    properties, used = Properties(PacketTypes.PUBLISH).unpack(raw)  # type: ignore[no-untyped-call]
    assert used == len(raw)
    told = properties.json()
    assert told["PayloadFormatIndicator"] == utf8
    assert told.get("MessageExpiryInterval") == expiry
    assert told.get("ContentType", "") == kind
    assert told.get("UserProperty", []) == user
