"""Files become a plan, or a report of everything that is wrong with them."""

from __future__ import annotations

import shutil
import tomllib
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agent import registry
from agent.config.load import load
from agent.config.wording import chosen
from agent.core.errors import ConfigError
from agent.core.plan import Plan, Purpose
from agent.core.product import Privacy
from tests.agent.config.plugins import PLUGINS, Camera, MeterPoint, ModbusTcp, Validate, Window

CASES = Path(__file__).parents[2] / "cases" / "config"
FAULTY = sorted(path.parent.name for path in CASES.glob("*/report.txt"))
SOUND = sorted(path.parent.name for path in CASES.glob("*/warnings.txt"))
TODAY = date(2027, 1, 1)

pytestmark = pytest.mark.usefixtures("small_plugins", "usual_folders")


def sound(name: str) -> Plan:
    return load(CASES / name, today=TODAY)


def refusal(path: Path) -> str:
    with pytest.raises(ConfigError) as caught:
        load(path, today=TODAY)
    return str(caught.value)


def test_every_case_says_what_is_to_come_of_it() -> None:
    assert {*FAULTY, *SOUND} == {path.name for path in CASES.iterdir()}
    assert len(FAULTY) >= 45


@pytest.mark.parametrize("case", FAULTY)
def test_faults_are_reported_at_their_places(case: str) -> None:
    assert refusal(CASES / case) + "\n" == (CASES / case / "report.txt").read_text("utf-8")


@pytest.mark.parametrize("case", SOUND)
def test_a_sound_configuration_gives_warnings_at_most(case: str) -> None:
    expected = (CASES / case / "warnings.txt").read_text("utf-8")
    assert "".join(f"{one}\n" for one in sound(case).warnings) == expected


def test_the_report_of_a_file_with_six_faults_shows_all_six() -> None:
    report = refusal(CASES / "six-faults")
    assert len(report.split("\n\n")) == 6
    lines = [int(frame.split(":")[1]) for frame in report.split("\n\n")]
    assert lines == sorted(lines)


def test_a_single_file_is_a_whole_configuration() -> None:
    assert load(CASES / "valid-small" / "site.toml", today=TODAY) == sound("valid-small")


def test_a_driver_has_its_settings_its_name_and_its_devices() -> None:
    plan = sound("valid-two-files-and-drop-in")
    [plant_room, square] = plan.links
    assert (plant_room.name, plant_room.kind) == ("plant-room", "modbus-tcp")
    driver = plant_room.driver
    assert isinstance(driver, ModbusTcp)
    assert (driver.name, driver.host) == ("plant-room", "10.20.0.15")
    assert [one.name for one in driver.devices] == ["main-meter"]
    assert isinstance(square.driver, Camera)
    assert list(square.driver.lines) == ["north-gate"]


def test_points_of_a_device_lie_over_those_of_its_profile_key_by_key() -> None:
    driver = sound("valid-two-files-and-drop-in").links[0].driver
    assert isinstance(driver, ModbusTcp)
    [device] = driver.devices
    assert list(device.points) == ["power", "energy", "extra"]
    power = device.points["power"]
    assert isinstance(power, MeterPoint)
    assert (power.label, power.unit, power.addr, power.type) == ("All phases", "kW", 0, "f32")
    assert device.points["extra"].type == "u16", "defaults of a profile are for its own points"
    assert device.max_block == 40, "defaults may be keys of the device"


def test_a_drop_in_overrides_keys_and_leaves_the_others() -> None:
    plan = sound("valid-two-files-and-drop-in")
    driver = plan.links[0].driver
    assert isinstance(driver, ModbusTcp)
    assert (driver.port, driver.host) == (5020, "10.20.0.15")
    assert (plan.clock.wait, plan.outbox.cap, plan.outbox.keep) == (0.0, 2**30, 7 * 86400.0)


def test_a_product_knows_what_enters_and_what_is_published() -> None:
    energy, flow = sound("valid-two-files-and-drop-in").products
    assert [one.name for one in energy.points] == [
        "main-meter.power",
        "main-meter.energy",
        "main-meter.extra",
    ]
    assert energy.points == energy.published
    assert (energy.window, energy.span, energy.statistics) == (900.0, "15m", ("mean", "delta"))
    assert flow.privacy == Privacy(mode="suppress", k=5)
    assert [type(one).__name__ for one in flow.steps] == ["Window"]


def test_how_much_of_a_window_must_be_covered_is_what_the_product_says(tmp_path: Path) -> None:
    text = (CASES / "valid-reader" / "site.toml").read_text("utf-8")
    (tmp_path / "site.toml").write_text(text.replace('["mean"]', '["mean"]\ncoverage = 0.5'), "utf-8")
    energy, power = (one.steps[-1] for one in load(tmp_path, today=TODAY).products)
    assert isinstance(energy, Window)
    assert isinstance(power, Window)
    assert (energy.coverage, power.coverage) == (0.9, 0.5)


def test_of_a_reader_whose_source_may_stand_in_a_broken_file_nothing_is_said(tmp_path: Path) -> None:
    text = (CASES / "valid-reader" / "site.toml").read_text("utf-8")
    begin, end = text.index("[grant.city]"), text.index("[recipient.university]")
    (tmp_path / "site.toml").write_text(text[:begin] + text[end:], "utf-8")
    assert "which has no grant for" in refusal(tmp_path)
    (tmp_path / "sharing.toml").write_text(text[begin:end] + "[", "utf-8")
    told = refusal(tmp_path)
    assert "sharing.toml:" in told
    assert "no grant" not in told


def test_steps_of_a_shared_pipeline_come_before_those_of_the_product() -> None:
    [energy] = sound("valid-events").products
    assert [type(one).__name__ for one in energy.steps] == ["Validate", "Threshold"]
    assert isinstance(energy.steps[0], Validate)
    assert energy.steps[0].within == 10.0
    assert (energy.window, energy.span) == (0.0, "")


def test_routes_follow_from_grants() -> None:
    plan = sound("valid-two-files-and-drop-in")
    energy, flow = plan.routes
    assert (energy.id, energy.grant, energy.purpose) == ("city.energy", "city-operations", "heat-plan")
    assert (energy.keep, energy.until) == (400 * 86400.0, date(2030, 12, 31))
    assert (flow.id, flow.until) == ("city.flow", None)
    assert plan.purposes == (Purpose(name="heat-plan", iri="", description="The heat plan of 2030."),)
    assert plan.owner == "City of Vaasa"


def test_a_recipient_is_encrypted_when_its_broker_is() -> None:
    [city] = sound("valid-small").recipients
    assert (city.host, city.port, city.tls is not None) == ("broker.vaasa.example", 8883, True)
    plain = sound("valid-with-warnings").recipients[0]
    assert (plain.port, plain.tls, plain.mqtt) == (1883, None, "3.1.1")


def test_the_same_files_give_an_equal_plan() -> None:
    assert sound("valid-two-files-and-drop-in") == sound("valid-two-files-and-drop-in")


@pytest.mark.parametrize(
    ("old", "new", "changes"),
    [
        ("400d", "300d", True),
        ('"15m"', '"30m"', True),
        ('"City of Vaasa"', '"University"', True),
        ("addr = 1,", "addr = 9,", False),
        ("party =", 'username = "gw1"\nparty =', False),
        ('host = "10.20.0.15"', 'host = "10.20.0.16"', False),
    ],
)
def test_the_policy_changes_with_what_is_shared_only(
    tmp_path: Path, old: str, new: str, *, changes: bool
) -> None:
    text = (CASES / "valid-small" / "site.toml").read_text("utf-8")
    assert old in text
    path = tmp_path / "site.toml"
    path.write_text(text.replace(old, new), "utf-8")
    before, after = sound("valid-small").policy, load(path, today=TODAY).policy
    assert len(before) == 12
    assert (before != after) is changes


def test_a_folder_without_toml_is_refused(tmp_path: Path) -> None:
    assert "there is no *.toml in this folder" in refusal(tmp_path)


def test_what_cannot_be_read_is_refused_by_name(tmp_path: Path) -> None:
    missing = tmp_path / "site.toml"
    assert refusal(missing).startswith(f"{missing}: there is no such file or folder")
    (tmp_path / "site.toml").mkdir()
    assert refusal(tmp_path) == "site.toml: cannot be read: Is a directory"


def test_a_secret_never_reaches_the_report() -> None:
    for case in FAULTY:
        report = (CASES / case / "report.txt").read_text("utf-8")
        assert "hunter2" not in report
        assert "271828" not in report


JUNK = st.one_of(
    st.booleans(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=True),
    st.sampled_from(["", "*", "main-meter", "credential:x", "a b", "15m", "-1s", "999999d", "city"]),
    st.text(max_size=8),
    st.just([]),
    st.just({}),
    st.lists(st.integers(), min_size=1, max_size=2),
    st.dictionaries(st.sampled_from(["use", "name", "from", "x"]), st.integers() | st.text(max_size=3)),
    st.dates(),
)


@given(data=st.data())
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_stands_in_a_file_gives_a_plan_or_a_report(data: st.DataObject, tmp_path: Path) -> None:
    shutil.copytree(CASES / "valid-two-files-and-drop-in/profiles", tmp_path / "profiles", dirs_exist_ok=True)
    tables: dict[str, Any] = {}
    for name in ("site.toml", "sharing.toml"):
        text = (CASES / "valid-two-files-and-drop-in" / name).read_text("utf-8-sig")
        tables |= tomllib.loads(text)
    spots = list(_spots(tables))
    for _ in range(data.draw(st.integers(1, 3))):
        holder, key = data.draw(st.sampled_from(spots))
        match data.draw(st.sampled_from(["replace", "remove", "add"])):
            case "replace":
                holder[key] = data.draw(JUNK)
            case "remove":
                holder.pop(key, None)
            case _:
                holder[data.draw(st.text("abcdefghij-_. ", min_size=1, max_size=8))] = data.draw(JUNK)
    path = tmp_path / "site.toml"
    path.write_text("\n".join(f"{_text(key)} = {_text(one)}" for key, one in tables.items()), "utf-8")
    try:
        load(path, today=TODAY)
        report = "site.toml: no fault"
    except ConfigError as error:
        report = str(error)
    assert all(frame.startswith(("site.toml:", "profiles/")) for frame in report.split("\n\n"))


def _spots(table: dict[str, Any]) -> list[tuple[dict[str, Any], str]]:
    found = [(table, key) for key in table]
    for one in table.values():
        found += _spots(one) if isinstance(one, dict) else []
    return found


def _text(value: object) -> str:
    match value:
        case bool():
            return str(value).lower()
        case str():
            escaped = "".join(
                f"\\U{ord(one):08x}" if one in '"\\' or not one.isprintable() else one for one in value
            )
            return f'"{escaped}"'
        case dict():
            return "{" + ", ".join(f"{_text(key)} = {_text(one)}" for key, one in value.items()) + "}"
        case list():
            return "[" + ", ".join(map(_text, value)) + "]"
    return str(value)


class Untellable(ModbusTcp, kw_only=True):
    """A driver of somebody else: a list and a tuple look alike in TOML."""

    both: tuple[int, ...] | list[str] = ()


@pytest.mark.parametrize(
    ("made", "said"),
    [
        (Untellable, "site.toml:7:7: the settings of Untellable are faulty themselves: Type unions may not"),
        (
            ImportError("No module named 'acme_sdk'"),
            'site.toml:8:10: driver "acme" cannot be loaded: No module',
        ),
    ],
    ids=["settings", "library"],
)
def test_a_faulty_plugin_of_somebody_else_is_told_where_it_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, made: type | ImportError, said: str
) -> None:
    def plugin(family: registry.Family, kind: str) -> type:
        if kind != "acme":
            return PLUGINS[family][kind]
        if isinstance(made, ImportError):
            raise made
        return made

    monkeypatch.setattr(registry, "kinds", lambda family: ("acme", *PLUGINS[family]))
    monkeypatch.setattr(registry, "plugin", plugin)
    text = (CASES / "valid-small" / "site.toml").read_text("utf-8").replace("modbus-tcp", "acme")
    (tmp_path / "site.toml").write_text(text, "utf-8")
    assert refusal(tmp_path).startswith(said)


def test_a_credential_that_systemd_keeps_is_no_warning_although_nobody_here_can_read_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CONFIGURATION_DIRECTORY", str(tmp_path))
    text = (CASES / "valid-small" / "site.toml").read_text("utf-8")
    login = 'party = "City of Vaasa"\nusername = "gw1"\npassword = "credential:city"'
    (tmp_path / "site.toml").write_text(text.replace('party = "City of Vaasa"', login), "utf-8")
    assert "is missing" in "".join(load(tmp_path, today=TODAY).warnings)
    (tmp_path / "sealed").mkdir()
    (tmp_path / "sealed" / "city").write_bytes(b"what systemd alone can open")
    assert load(tmp_path, today=TODAY).warnings == ()


def test_a_file_of_endless_brackets_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "site.toml").write_text("x = " + "[" * 20_000, "utf-8")
    assert refusal(tmp_path) == "site.toml: too many nested lists or tables"


def test_settings_that_nobody_gave_differ_in_nothing() -> None:
    assert chosen(None) == {}


def test_two_readers_of_one_broker_are_told_apart_by_their_names(tmp_path: Path) -> None:
    text = (CASES / "two-readers-of-one-name" / "site.toml").read_text()
    begin, _, rest = text.rpartition('username = "uni"')
    (tmp_path / "site.toml").write_text(f'{begin}username = "school"{rest}')
    assert [one.username for one in load(tmp_path).readers] == ["uni", "school"]
