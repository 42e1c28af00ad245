"""The tables say what the standard says: two stacks that know nothing of each other agree with them."""

from __future__ import annotations

import re

import pytest

from agent.core import units as ucum
from agent.core.point import Kind
from drivers.bacnet import kinds, names, units
from tests.peers.packages import pages

# spelt differently by those who wrote them, about the same number
_ALIKE = {
    "jouleperhours": "joulesperhours",
    "voltsquarehours": "voltssquarehours",
    "ohmmetersquaredpermeter": "ohmmeterpersquaremeter",
}
_BEYOND = range(47823, 1 << 32)  # later addenda, that only one source at hand tells of


def bare(name: str) -> str:
    word = re.sub(r"[^a-z0-9]", "", name.lower())
    return _ALIKE.get(word, word)


def enumerated(text: str, of: str) -> dict[int, str]:
    """Read the members of one IntEnum out of the source of a package that this Python cannot run."""
    part = re.search(rf"(?ms)^class {of}\(IntEnum\):.*?(?=^class |\Z)", text)
    assert part is not None
    return {int(number): bare(name) for name, number in re.findall(r"(?m)^    (\w+) = (\d+)\b", part[0])}


@pytest.fixture(scope="module")
def bac_py() -> str:
    return (pages("bac-py==1.5.7") / "bac_py" / "types" / "enums.py").read_text("utf-8")


def test_units_have_the_numbers_that_bacpypes3_gives_them() -> None:
    from bacpypes3.basetypes import EngineeringUnits

    theirs = {number: bare(name) for name, number in EngineeringUnits._enum_map.items()}
    assert len(theirs) > 250
    assert {number: bare(units.name(number)) for number in theirs} == theirs


def test_units_have_the_numbers_that_bac_py_gives_them(bac_py: str) -> None:
    theirs = enumerated(bac_py, "EngineeringUnits")
    assert {number: bare(name) for number, (name, _) in units.UNITS.items()} == theirs
    assert not [number for number in units.UNITS if number in _BEYOND]


def test_every_code_is_one_that_the_gateway_can_convert() -> None:
    assert not [code for _, code in units.UNITS.values() if code and not ucum.known(code)]


@pytest.mark.parametrize(
    ("number", "code", "quantity"),
    [
        (62, "Cel", "temperature"),
        (64, "[degF]", "temperature"),
        (121, "K", ""),  # a difference, not a temperature
        (29, "%", "relative_humidity"),
        (98, "%", ""),
        (95, "1", ""),
        (19, "kW.h", ""),
        (48, "kW", ""),
        (53, "Pa", "pressure"),
        (87, "L/s", "volume_flow"),
        (135, "m3/h", "volume_flow"),
        (96, "[ppm]", ""),
        (41, "", ""),  # tons: which?
        (21, "", ""),  # therms
        (105, "", ""),  # a currency
        (4711, "", ""),
    ],
)
def test_a_unit_says_its_code_and_only_what_is_sure(number: int, code: str, quantity: str) -> None:
    assert (units.code(number), units.quantity(number)) == (code, quantity)


def test_a_unit_without_a_code_still_has_a_name() -> None:
    assert units.name(52) == "tons-refrigeration"
    assert units.name(60000) == "unit 60000"


def test_names_have_the_numbers_that_bacpypes3_gives_them() -> None:
    from bacpypes3.basetypes import EventState, PropertyIdentifier, Reliability
    from bacpypes3.primitivedata import ObjectType

    for enumeration, ours in (
        (ObjectType, names.OBJECT_TYPES),
        (PropertyIdentifier, names.PROPERTIES),
        (Reliability, names.RELIABILITY),
        (EventState, {name: number for number, name in enumerate(kinds.EVENT_STATES)}),
    ):
        theirs = {bare(name): number for name, number in enumeration._enum_map.items()}
        assert {name: theirs.get(bare(name)) for name in ours} == ours


def test_names_have_the_numbers_that_bac_py_gives_them(bac_py: str) -> None:
    events = dict(enumerate(kinds.EVENT_STATES))
    assert {n: bare(name) for n, name in events.items()} == enumerated(bac_py, "EventState")
    theirs = enumerated(bac_py, "Reliability")
    assert {number: bare(names.reliability_name(number)) for number in theirs} == theirs


def test_types_of_objects_have_the_numbers_that_rusty_bacnet_gives_them() -> None:
    from rusty_bacnet import ObjectType

    attributes = {name: getattr(ObjectType, name) for name in dir(ObjectType) if name.isupper()}
    theirs = {bare(name): one.to_raw() for name, one in attributes.items()}
    assert {name: theirs.get(bare(name)) for name in names.OBJECT_TYPES} == names.OBJECT_TYPES


def test_what_tells_about_persons_is_never_polled() -> None:
    assert not [name for name in kinds.POLLED if name.startswith(("access", "credential"))]
    assert kinds.POLLED["accumulator"] is Kind.COUNTER
    assert set(kinds.BINARY) | set(kinds.MULTI_STATE) == {
        name for name, kind in kinds.POLLED.items() if kind is Kind.STATE
    }
    assert set(kinds.POLLED) <= set(names.OBJECT_TYPES)
