"""Every profile compiles, turns golden words into the expected values, and speaks the common words."""

from __future__ import annotations

import re
import tomllib
from functools import cache
from itertools import combinations, product
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from agent.cli.golden import Subject, compiled, subject, verdict
from agent.cli.sunspec import facts
from agent.core.driver import Stretch
from agent.core.point import Kind, Scope
from agent.core.units import commensurable, known
from agent.resources import resource
from drivers.modbus.device import ModbusDevice
from drivers.modbus.identify import Check, checks
from drivers.modbus.point import BIT_TABLES, WORDS

HERE = Path(__file__).parent
PAGE = HERE.parents[1] / "docs" / "technician" / "profiles.md"
SHIPPED = Path(str(resource("config/profiles")))
PROFILES = sorted(
    path.relative_to(SHIPPED).as_posix().removesuffix(".toml") for path in SHIPPED.glob("*/*.toml")
)
IDENTIFYING = [
    name for name in PROFILES if "identify" in tomllib.loads((SHIPPED / f"{name}.toml").read_text("utf-8"))
]
SINGLE_READ = {"keba/p30", "webasto/next", "vestel/evc04"}  # devices that want one request for each value


@cache
def found(name: str) -> Subject:
    return subject(name)


@cache
def loaded(name: str) -> dict[str, Any]:
    return tomllib.loads((SHIPPED / f"{name}.toml").read_text("utf-8"))


@cache
def device(name: str) -> ModbusDevice:
    made = compiled(found(name))
    assert isinstance(made, ModbusDevice)
    return made


@cache
def recorded(name: str) -> list[list[Stretch]]:
    """Give the words of each golden case."""
    cases = tomllib.loads((HERE / f"{name}.toml").read_text("utf-8"))["case"]
    return [[Stretch(one["table"], one["addr"], one["words"]) for one in case["blocks"]] for case in cases]


def table_of_page(mark: str) -> list[list[str]]:
    """Give the rows between two marks of the page, without head, backticks and rule."""
    text = PAGE.read_text("utf-8").partition(f"<!-- {mark} -->")[2].partition(f"<!-- /{mark} -->")[0]
    rows = [[cell.strip(" `") for cell in line.strip("|").split("|")] for line in text.strip().splitlines()]
    return rows[2:]


def stem(point: str) -> str:
    return re.sub(r"_(l[123]|s\d+)$", "", point)


def test_there_are_thirty_families_at_least() -> None:
    assert len(PROFILES) >= 30


@pytest.mark.parametrize("name", PROFILES)
def test_golden_words_become_the_expected_values(name: str) -> None:
    assert found(name).golden == HERE / f"{name}.toml"
    one = verdict(found(name))
    assert not one.failures
    assert one.cases


@pytest.mark.parametrize(
    "path", sorted(HERE.glob("*/*.toml")), ids=lambda path: f"{path.parent.name}/{path.stem}"
)
def test_a_golden_file_belongs_to_a_profile(path: Path) -> None:
    assert path.relative_to(HERE).as_posix().removesuffix(".toml") in PROFILES


@pytest.mark.parametrize("name", PROFILES)
def test_a_profile_whose_addresses_are_all_off_by_one_fails(name: str) -> None:
    off = re.sub(
        r"(?m)^addr = (\S+)$", lambda match: f"addr = {int(match[1], 0) + 1}", found(name).text
    ).replace('addressing = "one"', "")
    one = verdict(Subject(name, off, found(name).golden, found(name).about))
    assert one.failures


@pytest.mark.parametrize("name", PROFILES)
def test_no_point_passes_with_the_power_of_ten_beside_its_own(name: str) -> None:
    it = device(name)
    for one, point in it.points.items():
        for off in (-1, 1):
            if point.scale_addr is not None:
                wrong = replace(point, scale_addr=point.scale_addr + off)
                assert any(wrong.replay(it, words) != point.replay(it, words) for words in recorded(name)), (
                    one
                )


@pytest.mark.parametrize("name", PROFILES)
def test_a_profile_names_itself_its_sources_and_its_protocol(name: str) -> None:
    about = loaded(name)["profile"]
    assert about["id"] == name
    assert about["protocol"] == "modbus"
    assert about["verified"]
    assert len(set(about["sources"])) >= 2 or about["unconfirmed"] is True, "a fact needs two sources"


@pytest.mark.parametrize("name", PROFILES)
def test_points_speak_the_common_words(name: str) -> None:
    words = {row[0]: (row[1], row[2]) for row in table_of_page("names")}
    for one, point in device(name).points.items():
        quantity, unit = words[stem(one)]
        assert point.quantity == quantity, one
        assert known(point.unit), one
        assert commensurable(point.unit, unit), one


@pytest.mark.parametrize("model", facts(), ids=lambda one: str(one["id"]))
def test_sunspec_models_speak_the_common_words(model: dict[str, Any]) -> None:
    words = {row[0]: (row[1], row[2]) for row in table_of_page("names")}
    for one, point in model["point"].items():
        quantity, unit = words[stem(one)]
        assert point["quantity"] == quantity, one
        assert commensurable(point["unit"], unit), one
        assert (point.get("kind") == "counter") == quantity.startswith("active_energy"), one


@pytest.mark.parametrize("name", PROFILES)
def test_a_charging_point_tells_of_whoever_charges_and_leaves_only_among_others(name: str) -> None:
    points = device(name).points
    if {"charging_state", "charged_energy"} & points.keys():
        assert {point.scope for point in points.values()} == {Scope.WORKSPACE}


@pytest.mark.parametrize("name", PROFILES)
def test_kinds_fit_what_is_measured(name: str) -> None:
    for one, point in device(name).points.items():
        is_total = point.quantity.startswith(("active_energy", "heat_energy", "water_volume"))
        is_state = point.quantity == "operating_state"
        wanted = Kind.COUNTER if is_total else Kind.STATE if is_state else Kind.GAUGE
        assert point.kind is wanted, one
        assert is_state or point.resolution, f"{one} would be published with all its digits"
        assert not is_total or point.minimum == 0, one


@pytest.mark.parametrize("name", PROFILES)
def test_no_register_is_used_by_two_points_and_none_is_cut_in_two(name: str) -> None:
    owner: dict[tuple[str, int], str] = {}
    for one, point in device(name).points.items():
        table, start = point.place(device(name).addressing)
        if point.bit is not None or table in BIT_TABLES or point.scale_addr is not None:
            continue
        for register in range(start, start + WORDS[point.type]):
            assert owner.setdefault((table, register), one) == one, f"{one} overlaps {owner[table, register]}"


@pytest.mark.parametrize("name", PROFILES)
def test_phases_follow_each_other_at_even_steps(name: str) -> None:
    places = {one: point.place(device(name).addressing)[1] for one, point in device(name).points.items()}
    for one in places:
        if one.endswith("_l1"):
            first, second, third = (places[f"{stem(one)}_l{phase}"] for phase in (1, 2, 3))
            assert third - second == second - first > 0, one


@pytest.mark.parametrize("name", PROFILES)
def test_what_identifies_a_device_can_be_asked(name: str) -> None:
    for check in checks(loaded(name).get("identify", {})):
        assert 1 <= check.count <= 32


@pytest.mark.parametrize("name", IDENTIFYING)
def test_what_identifies_one_type_of_device_fits_no_recorded_device_of_another(name: str) -> None:
    for other in sorted({*PROFILES} - {name}):
        for words in recorded(other):
            said = [(check, answer(check, words)) for check in checks(loaded(name)["identify"])]
            assert not all(data is not None and check.fits(data) for check, data in said), other


@pytest.mark.parametrize(("one", "other"), [*combinations(IDENTIFYING, 2)])
def test_no_device_is_of_two_types(one: str, other: str) -> None:
    for mine, theirs in product(*(checks(loaded(name)["identify"]) for name in (one, other))):
        if (mine.table, mine.addr) == (theirs.table, theirs.addr):
            assert not {*mine.values} & {*theirs.values}
            for first, second in product(mine.text, theirs.text):
                assert not first.casefold().startswith(second.casefold())
                assert not second.casefold().startswith(first.casefold())


def answer(check: Check, words: list[Stretch]) -> bytes | None:
    """Give what a recorded device would answer to a check; None if its words there are not known."""
    for one in words:
        at = check.addr - one.addr
        if one.table == check.table and at >= 0 and at + check.count <= len(one.words):
            return b"".join(word.to_bytes(2, "big") for word in one.words[at : at + check.count])
    return None


@pytest.mark.parametrize("name", sorted({*PROFILES} - SINGLE_READ))
def test_a_profile_is_read_in_a_handful_of_requests(name: str) -> None:
    blocks = device(name).blocks()
    assert len(blocks) <= 8
    assert all(block.size <= device(name).max_block for block in blocks)


def test_the_page_lists_every_profile_and_what_is_unconfirmed() -> None:
    rows = {row[0]: row for row in table_of_page("profiles")}
    assert [*rows] == PROFILES
    for name, (_, what, points, marked) in rows.items():
        about, count = loaded(name)["profile"], len(loaded(name)["point"])
        alone = [one for one, point in loaded(name)["point"].items() if point.get("unconfirmed")]
        short = ", ".join(alone) if len(alone) <= 3 else f"{len(alone)} of them"
        assert what == f"{about['vendor']} {about['model']}"
        assert (points, marked) == (str(count), "all" if about.get("unconfirmed") else short)
