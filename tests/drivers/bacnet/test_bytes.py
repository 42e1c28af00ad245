"""Every message that we write is read by others, and whatever others write never surprises us."""

from __future__ import annotations

import math
from importlib import import_module
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.bacnet import apdu, frames
from drivers.bacnet.peer import Peer
from drivers.bacnet.stack import Subscription
from drivers.bacnet.tags import (
    GarbledError,
    application,
    context,
    packed,
    packed_bits,
    packed_object,
    packed_text,
    tag,
    until,
)
from drivers.bacnet.value import Bits, ObjectId, Opaque, Ref, Value, property_number
from tests.drivers.bacnet.kit import OWN, ref

objects = st.builds(ObjectId, st.integers(0, 1023), st.integers(0, 4194302))
refs = st.builds(Ref, objects, st.integers(0, 4194303), st.integers(-1, 70000))


def theirs(message: bytes) -> Any:  # noqa: ANN401 - it has no types
    """Read an application message by bacpypes3, which we did not write."""
    module = import_module("bacpypes3.apdu")
    pdu = import_module("bacpypes3.pdu").PDU
    return module.APCISequence.decode(module.APDU.decode(pdu(message)))


@settings(deadline=None)
@given(refs)
def test_another_stack_reads_our_questions(asked: Ref) -> None:
    told = theirs(apdu.confirmed(apdu.Confirmed.READ_PROPERTY, 7, apdu.read_property(asked)))
    assert (told.apduInvokeID, int(told.objectIdentifier[0]), told.objectIdentifier[1]) == (
        7,
        asked.object.type,
        asked.object.instance,
    )
    assert int(told.propertyIdentifier) == asked.property
    assert told.propertyArrayIndex == (None if asked.index < 0 else asked.index)
    assert told.apduSA == 1


@settings(deadline=None)
@given(st.lists(refs, min_size=1, max_size=20))
def test_another_stack_reads_our_questions_for_many(asked: list[Ref]) -> None:
    told = theirs(
        apdu.confirmed(apdu.Confirmed.READ_PROPERTY_MULTIPLE, 7, apdu.read_property_multiple(asked))
    )
    found = [
        Ref(
            ObjectId(int(one.objectIdentifier[0]), one.objectIdentifier[1]),
            int(each.propertyIdentifier),
            -1 if each.propertyArrayIndex is None else each.propertyArrayIndex,
        )
        for one in told.listOfReadAccessSpecs
        for each in one.listOfPropertyReferences
    ]
    assert found == asked


@settings(deadline=None)
@given(st.integers(1, 2**32 - 1), objects, st.integers(1, 2**32 - 1), st.booleans())
def test_another_stack_reads_our_subscriptions(
    process: int, one: ObjectId, life: int, confirmed: bool
) -> None:
    wish = Subscription(process, one, life, confirmed)
    told = theirs(apdu.confirmed(apdu.Confirmed.SUBSCRIBE_COV, 7, apdu.subscribe(wish)))
    assert (told.subscriberProcessIdentifier, told.lifetime) == (process, life)
    assert bool(told.issueConfirmedNotifications) == confirmed
    ended = theirs(apdu.confirmed(apdu.Confirmed.SUBSCRIBE_COV, 7, apdu.unsubscribe(process, one)))
    assert (ended.lifetime, ended.issueConfirmedNotifications) == (None, None)


def test_another_stack_reads_who_we_are_and_whom_we_seek() -> None:
    told = theirs(OWN.i_am())
    assert told.iAmDeviceIdentifier[1] == OWN.instance
    assert told.maxAPDULengthAccepted == 1476
    sought = theirs(apdu.who_is(5, 70000))
    assert (sought.deviceInstanceRangeLowLimit, sought.deviceInstanceRangeHighLimit) == (5, 70000)
    assert theirs(apdu.who_is(0, 4194303)).deviceInstanceRangeLowLimit is None


@settings(deadline=None)
@given(st.binary(max_size=200))
def test_no_bytes_are_more_than_garbled(data: bytes) -> None:
    here = Peer.parse("10.0.0.1")
    readers = (
        lambda: apdu.read_ack(data, ref("analog-input,1 present-value")),
        lambda: apdu.read_many_ack(data, [ref("analog-input,1 present-value")]),
        lambda: apdu.i_am(data, here),
        lambda: apdu.wanted(data),
        lambda: apdu.notice(data, here),
        lambda: apdu.error(data),
        lambda: until(data, 0, 4),
        lambda: OWN.answer(1, data),
    )
    for reader in readers:
        try:
            reader()
        except GarbledError:
            continue
    parts = frames.split(data)
    if parts is not None:
        frames.parse(*parts, here)


@settings(deadline=None)
@given(
    st.integers(0, 2**64 - 1),
    st.lists(st.booleans(), max_size=60),
    st.text("aZ 9äß€𝄞", max_size=300),
    objects,
)
def test_values_survive_the_way(number: int, bits: list[bool], text: str, one: ObjectId) -> None:
    parts = (
        application(2, packed(number)),
        application(8, packed_bits(bits)),
        application(7, packed_text(text)),
        application(12, packed_object(one)),
    )
    told, _ = until(b"".join(parts) + b"\x4f", 0, 4)
    assert told == (number, Bits(tuple(bits)), text, one)


def test_what_is_not_decoded_is_given_as_it_came() -> None:
    date = b"\xa4\x7e\x0b\x1c\x06"
    assert until(date + b"\x4f", 0, 4) == (Opaque(date[1:]), 6)
    parts = b"\x0c\x00\x00\x00\x01\x3e\x44\x41\xa0\x00\x00\x3f"
    assert until(parts + b"\x4f", 0, 4) == (Opaque(parts), len(parts) + 1)


@pytest.mark.parametrize("size", [0, 4, 5, 253, 254, 65535])
def test_a_length_of_each_form_is_read(size: int) -> None:
    written = context(3, bytes(size))
    found = tag(written, 0)
    assert (found.number, found.end - found.start, found.end) == (3, size, len(written))


@pytest.mark.parametrize(
    "text",
    ["10.20.0.15", "10.20.0.15:47809", "2001:12", "2001:0x0a0b", "7:10.0.0.9:47809", "65534:0"],
)
def test_an_address_reads_back_as_it_was_written(text: str) -> None:
    assert str(Peer.parse(text)) == text


@pytest.mark.parametrize(
    "text",
    ["", "boiler", "10.20.0", "10.20.0.256", "10.20.0.15:0", "10.20.0.15:", "0:12", "65535:1", "7:256"],
)
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"expected an IP address|does not exist"):
        Peer.parse(text)


def test_names_and_numbers_of_objects_are_both_read() -> None:
    assert ObjectId.parse("analog-input,1") == ObjectId.parse("0,1")
    assert str(ObjectId.parse("analog-input, 1")) == "analog-input,1"
    assert str(ObjectId.parse("130,4")) == "130,4"
    with pytest.raises(ValueError, match='did you mean "analog-input"'):
        ObjectId.parse("analog-inpt,1")
    with pytest.raises(ValueError, match='did you mean "present-value"'):
        property_number("presentvalue")
    assert property_number("512") == 512


def test_not_a_number_stays_one() -> None:
    told, _ = until(b"\x44\x7f\xc0\x00\x00\x4f", 0, 4)
    assert isinstance(told, float)
    assert math.isnan(told)


ASKED = ref("analog-input,1 present-value")
PLACE = b"\x0c\x00\x00\x00\x01\x19\x55"  # of that question
CHANGED = b"\x09\x01\x1c\x02\x00\x03\xf3\x2c\x00\x00\x00\x01\x39\x3c\x4e"  # process, device, object, time
REAL = b"\x2e\x44\x41\xa0\x00\x00\x2f"


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (PLACE + b"\x3e\x44\x41\xa0\x00\x00\x3f\x00", "more than one answer"),
        (PLACE[:-1] + b"\x6f\x3e\x44\x41\xa0\x00\x00\x3f", "instead of"),
        (b"\x0b\x00\x00\x01", "has not four bytes"),
        (b"\x0c\x00\x00\x00\x01\x18", "a number of no bytes"),
        (PLACE + b"\x3e\x35\xfe\x01", "ends within a tag"),
        (PLACE + b"\x3e\x44\x41\xa0", "longer than the message"),
        (PLACE + b"\x3e\x3e\x2f\x3f", "a closing tag without its opening one"),
        (PLACE + b"\x3e\x36\x3f", "a length that does not exist"),
    ],
)
def test_an_answer_that_is_not_whole_or_not_ours_gives_no_value(data: bytes, says: str) -> None:
    with pytest.raises(GarbledError, match=says):
        apdu.read_ack(data, ASKED)


def test_what_is_neither_a_value_nor_an_error_spoils_an_answer_to_many() -> None:
    head = b"\x0c\x00\x00\x00\x01\x1e\x29\x55"
    assert apdu.read_many_ack(head + b"\x4e\x21\x07\x4f\x1f", [ASKED]) == [7]
    with pytest.raises(GarbledError, match="neither a value nor an error"):
        apdu.read_many_ack(head + b"\x6e\x21\x07\x6f\x1f", [ASKED])


def test_a_notice_may_say_with_which_priority_a_value_was_written() -> None:
    told = apdu.notice(CHANGED + b"\x09\x55" + REAL + b"\x39\x08\x4f", Peer.parse("10.0.0.1"))
    assert told.values == ((ASKED, 20.0),)


@pytest.mark.parametrize("values", [b"\x09\x55" + REAL, (b"\x09\x55" + REAL) * 65 + b"\x4f"])
def test_a_notice_without_an_end_is_no_notice(values: bytes) -> None:
    with pytest.raises(GarbledError, match="a list that does not end"):
        apdu.notice(CHANGED + values, Peer.parse("10.0.0.1"))


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", Opaque(b"")),
        (b"\x01\x04\xe4gr\xfcn", "gr\u00fcn"),  # a code page that begins with its number
        (b"\x04\x00A\x00\xe4", "A\u00e4"),
        (b"\x03\x00\x00\x00A", "A"),
        (b"\x05gr\xfcn", "gr\u00fcn"),
        (b"\x00gr\xfcn", "gr\N{REPLACEMENT CHARACTER}n"),
    ],
)
def test_texts_of_each_alphabet_are_read(content: bytes, told: Value) -> None:
    assert until(application(7, content) + b"\x4f", 0, 4)[0] == told


@pytest.mark.parametrize("text", ["1024,1", "analog-input,4194303"])
def test_numbers_that_no_object_can_have_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="types are 0 to 1023, numbers 0 to 4194302"):
        ObjectId.parse(text)


@pytest.mark.parametrize(
    "body",
    [
        b"\x01\x20\xff\xff",  # to everybody, and no more
        b"\x01\x08\x00\x05",  # from a network, and no station
        b"\x01\x08\x00\x05\x06\x01\x02",  # of six bytes, of which two came
        b"\x01\x08\x00\x00\x01\x01\x10\x08",  # from network 0
        b"\x01\x20\x00\x07\x00\xff\x10\x08",  # for a network behind a router
        b"\x02\x00\x10\x08",  # another version
    ],
)
def test_a_head_that_is_cut_off_or_for_others_is_no_message(body: bytes) -> None:
    here = Peer.parse("10.0.0.1")
    assert frames.parse(frames.Bvlc.UNICAST, body, here) is None
    assert frames.parse(frames.Bvlc.FORWARDED, here.mac[:5], here) is None
    told = frames.parse(frames.Bvlc.UNICAST, b"\x01\x00\x10\x08", here)
    assert told is not None
    assert (told.source, told.alone, told.data) == (here, True, b"\x10\x08")


def test_of_our_own_arrays_one_element_can_be_asked_for_and_no_other() -> None:
    def asked(name: str, index: int) -> bytes:
        return OWN.answer(5, apdu.read_property(Ref(ObjectId(8, OWN.instance), property_number(name), index)))

    device = ObjectId(8, OWN.instance)
    question = Ref(device, property_number("object-list"), 0)
    assert apdu.read_ack(asked("object-list", 0)[3:], question) == 1
    assert apdu.read_ack(asked("object-list", 1)[3:], msgspec.structs.replace(question, index=1)) == device
    for name, index, code in (("object-list", 2, 42), ("object-name", 1, 50)):
        refused = asked(name, index)
        assert refused[0] == 0x50
        assert apdu.error(refused[3:]).code == code


def test_nothing_that_could_change_a_device_can_be_written() -> None:
    assert apdu.slips() == []
    assert {one.value for one in apdu.Confirmed} <= apdu.READS
