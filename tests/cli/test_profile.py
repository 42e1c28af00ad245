"""`citygate profile` lists, shows and tests profiles, and begins new ones."""

from __future__ import annotations

import asyncio
import json
import shutil
import socket
import tomllib
from pathlib import Path

import pytest

from agent.cli.main import main
from agent.config.profiles import profiles
from agent.resources import resource
from tests.drivers.modbus.sunspec_device import END, common, inverter, serving

Screen = pytest.CaptureFixture[str]
SHIPPED = Path(str(resource("config/profiles")))
GOLDEN = Path(str(resource("tests/profiles")))


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """Give a copy of a profile in a site of its own, with its cases."""
    for source, target in (
        (SHIPPED / "abb/b23.toml", tmp_path / "profiles/mine/meter.toml"),
        (GOLDEN / "abb/b23.toml", tmp_path / "tests/profiles/mine/meter.toml"),
    ):
        target.parent.mkdir(parents=True)
        shutil.copy(source, target)
    return tmp_path / "profiles/mine/meter.toml"


def change(file: Path, old: str, new: str) -> None:
    text = file.read_text("utf-8")
    assert old in text
    file.write_text(text.replace(old, new, 1), "utf-8")


def test_every_profile_is_listed_with_its_sources(capsys: Screen) -> None:
    assert main(["profile", "list", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [one["profile"] for one in rows] == profiles()
    assert all(one["points"] and one["vendor"] and one["model"] for one in rows)
    assert all(one["sources"] >= 2 or one["unconfirmed"] == one["points"] for one in rows)


def test_a_profile_is_shown_with_its_addresses_and_sources(capsys: Screen) -> None:
    assert main(["profile", "show", "eastron/sdm630"]) == 0
    said = capsys.readouterr().out
    assert "Eastron SDM630" in said
    assert "mbmd" in said
    assert [line for line in said.splitlines() if "import_energy" in line and "addr 72 " in line]


def test_the_sites_own_profile_is_shown_too(own: Path, capsys: Screen) -> None:
    assert main(["profile", "show", "mine/meter", "--config", str(own.parents[2])]) == 0
    assert "import_energy" in capsys.readouterr().out


def test_a_misspelt_profile_gets_the_nearest_name(capsys: Screen) -> None:
    assert main(["profile", "show", "eastron/sdm360"]) == 2
    assert 'did you mean "eastron/sdm630"?' in capsys.readouterr().err


def test_a_profile_that_decodes_its_words_passes(own: Path, capsys: Screen) -> None:
    assert main(["profile", "test", str(own)]) == 0
    assert "ok" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("addr = 0x5B2C", "addr = 0x5B2B", "frequency is not in these words, expected 50.03"),
        ("addr = 0x5B02", "addr = 0x5B01", "voltage_l2 is"),
        ("scale = 0.1", "scale = 0.01", "voltage_l1 is 23.01, expected 230.1"),
        ('type = "i32"', 'type = "u32"', "active_power is"),
        ('sentinel = "highest"', 'sentinel = "sunspec"', "active_power_l1 is 21474836.47"),
        ("addr = 0x5000", 'byte_order = "CDAB"\naddr = 0x5000', "import_energy is"),
    ],
)
def test_a_profile_with_a_wrong_fact_fails(own: Path, old: str, new: str, said: str, capsys: Screen) -> None:
    change(own, old, new)
    assert main(["profile", "test", str(own)]) == 1
    assert said in capsys.readouterr().out


def test_a_point_that_no_case_covers_fails(own: Path, capsys: Screen) -> None:
    with own.open("a", encoding="utf-8") as file:
        file.write("\n[point.apparent_power]\naddr = 0x5B24\n")
    assert main(["profile", "test", str(own)]) == 1
    assert "no case covers apparent_power" in capsys.readouterr().out


def test_a_point_that_no_case_tells_from_its_neighbour_fails(own: Path, capsys: Screen) -> None:
    golden = own.parents[2] / "tests/profiles/mine/meter.toml"
    golden.write_text(golden.read_text("utf-8").rpartition("[[case]]")[0], "utf-8")
    assert main(["profile", "test", str(own)]) == 1
    said = capsys.readouterr().out
    assert "current_l2 would be the same +1 registers away: give its neighbour another value" in said


def test_a_profile_without_cases_fails(own: Path, capsys: Screen) -> None:
    moved = own.rename(own.with_name("other.toml"))
    assert main(["profile", "test", str(moved), "--json"]) == 1
    [verdict] = json.loads(capsys.readouterr().out)
    assert "write tests/profiles/mine/other.toml" in verdict["failures"][0]


def test_a_profile_with_a_fault_is_reported_with_its_place(own: Path, capsys: Screen) -> None:
    change(own, "addr = 0x5B2C", "adr = 0x5B2C")
    assert main(["profile", "test", str(own)]) == 2
    said = capsys.readouterr().err
    assert 'unknown key "adr"' in said
    assert 'did you mean "addr"?' in said


def test_cases_that_are_no_cases_are_a_sentence(own: Path, capsys: Screen) -> None:
    cases = own.parents[2] / "tests/profiles/mine/meter.toml"
    change(cases, "what = ", "waht = ")
    assert main(["profile", "test", str(own)]) == 2
    assert "waht" in capsys.readouterr().err


LIST = """\
ACME meter;;;;;;
Register;Beschreibung;Datentyp;Einheit;Faktor;FC;Zugriff
0x0010;Spannung L1;Float;V;;04;R
22;Wirkleistung gesamt;INT32;kW;0,001;04;R
18h;Energie;unsigned long;0.1 kWh;;3;RO
40;Temperatur, aussen;int16;°C;10^-1;03;R/W
41;Zurücksetzen;uint16;;;6;W
;nichts;;;;;
50;Alarm;bool;;;2;R
51;Alarm;;bananas;many;9;R
"""


def test_a_vendors_list_becomes_a_profile_that_says_what_is_missing(tmp_path: Path, capsys: Screen) -> None:
    (tmp_path / "list.csv").write_text(LIST, "latin-1")
    words = ["profile", "import", str(tmp_path / "list.csv"), "--vendor", "ACME", "--model", "M 1"]
    assert main(words) == 0
    text = capsys.readouterr().out
    made = tomllib.loads(text)
    assert made["profile"]["id"] == "acme/m-1"
    assert all(point.pop("unconfirmed") is True for point in made["point"].values())
    points = {
        name: {k: v for k, v in point.items() if k not in ("label", "quantity")}
        for name, point in made["point"].items()
    }
    assert points == {
        "spannung_l1": {"addr": 16, "table": "input", "type": "f32", "unit": "V"},
        "wirkleistung_gesamt": {"addr": 22, "table": "input", "type": "i32", "scale": 0.001, "unit": "kW"},
        "energie": {
            "addr": 24, "table": "holding", "type": "u32", "scale": 0.1, "unit": "kW.h", "kind": "counter",
        },
        "temperatur_aussen": {"addr": 40, "table": "holding", "type": "i16", "scale": 0.1, "unit": "Cel"},
        "alarm": {"addr": 50, "table": "discrete", "type": "bool"},
        "alarm_2": {"addr": 51},
    }  # fmt: skip
    for remark in (
        '"many" is not understood',
        '"bananas"',
        "type: the list does not say",
        "line 7 is left out",
    ):
        assert remark in text


def test_what_was_imported_compiles(tmp_path: Path, capsys: Screen) -> None:
    (tmp_path / "list.csv").write_text(LIST, "utf-8")
    main(["profile", "import", str(tmp_path / "list.csv"), "--vendor", "ACME", "--model", "M 1"])
    file = tmp_path / "profiles" / "acme" / "m-1.toml"
    file.parent.mkdir(parents=True)
    file.write_text(capsys.readouterr().out, "utf-8")
    assert main(["profile", "test", str(file)]) == 1
    assert "it has no cases" in capsys.readouterr().out


@pytest.mark.parametrize("numbers", [("30001", "40017"), ("300001", "400017")])
def test_five_or_six_digits_are_read_as_the_table_and_the_number(
    numbers: tuple[str, str], tmp_path: Path, capsys: Screen
) -> None:
    lines = ["Address,Name,Type", f"{numbers[0]},Voltage,float", f"{numbers[1]},Mode,uint16"]
    (tmp_path / "list.csv").write_text("\n".join(lines), "utf-8")
    assert main(["profile", "import", str(tmp_path / "list.csv")]) == 0
    assert tomllib.loads(capsys.readouterr().out)["defaults"]["addressing"] == "40001"


@pytest.mark.parametrize(
    ("text", "said"), [("a,b\n1,2\n", "no line of heads"), ("Address,Name\n,x\n", "no line has an address")]
)
def test_a_file_that_is_no_list_is_a_sentence(text: str, said: str, tmp_path: Path, capsys: Screen) -> None:
    (tmp_path / "list.csv").write_text(text, "utf-8")
    assert main(["profile", "import", str(tmp_path / "list.csv")]) == 2
    assert said in capsys.readouterr().err


async def test_a_sunspec_device_writes_its_own_profile(capsys: Screen) -> None:
    words = [0x5375, 0x6E53, *common("ACME", "Sunny 8"), *inverter(), *END]
    async with serving(words, unit=126) as port:
        asked = ["profile", "sunspec", f"127.0.0.1:{port}", "--unit", "126", "--name", "acme/sunny"]
        assert await asyncio.to_thread(main, asked) == 0
    made = tomllib.loads(capsys.readouterr().out)
    assert made["profile"]["id"] == "acme/sunny"
    assert made["point"]["active_power"]["addr"] == 40084


@pytest.mark.parametrize("where", ["", "10.0.0.1:x", "10.0.0.1:0", 'a"b'])
def test_a_host_that_is_none_is_a_sentence(where: str, capsys: Screen) -> None:
    assert main(["profile", "sunspec", where]) == 2
    assert "is no host" in capsys.readouterr().err


async def test_a_device_that_is_not_there_is_a_sentence(capsys: Screen) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        where = f"127.0.0.1:{closed.getsockname()[1]}"
        assert await asyncio.to_thread(main, ["profile", "sunspec", where]) == 1
    assert where in capsys.readouterr().err


def test_a_person_sees_all_profiles_in_a_table(capsys: Screen) -> None:
    assert main(["profile", "list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["profile", "vendor", "model", "points", "sources", "unconfirmed"]
    assert {line.split()[0] for line in lines[1:]} >= set(profiles())


def test_a_script_gets_a_profile_whole(capsys: Screen) -> None:
    assert main(["profile", "show", "eastron/sdm630", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told == tomllib.loads((SHIPPED / "eastron/sdm630.toml").read_text("utf-8"))


def test_a_profile_that_says_little_of_itself_is_shown_without_empty_lines(own: Path, capsys: Screen) -> None:
    kept = (one for one in own.read_text("utf-8").splitlines() if not one.startswith(("notes", "verified")))
    own.write_text("\n".join(kept), "utf-8")
    assert main(["profile", "show", "mine/meter", "--config", str(own.parents[2])]) == 0
    assert capsys.readouterr().out.splitlines()[1] == "  sources:"


def test_facts_that_one_source_alone_tells_are_marked(own: Path, capsys: Screen) -> None:
    change(own, "[profile]\n", "[profile]\nunconfirmed = true\n")
    assert main(["profile", "show", "mine/meter", "--config", str(own.parents[2])]) == 0
    assert "  unconfirmed: only one source tells these facts\n" in capsys.readouterr().out


def test_a_file_of_a_profile_that_is_none_is_said(tmp_path: Path, capsys: Screen) -> None:
    assert main(["profile", "test", str(tmp_path / "gone.toml")]) == 2
    assert capsys.readouterr().err == f"{tmp_path}/gone.toml: No such file or directory\n"
    (tmp_path / "gone.toml").write_bytes(b"[profile\n")
    assert main(["profile", "test", str(tmp_path / "gone.toml")]) == 2
    assert capsys.readouterr().err.startswith(f"{tmp_path}/gone.toml: ")


def test_a_protocol_that_has_no_words_is_said(own: Path, capsys: Screen) -> None:
    change(own, 'protocol = "modbus"', 'protocol = "knx"')
    assert main(["profile", "test", str(own)]) == 2
    assert 'its protocol has no raw words to test with; write protocol = "modbus' in capsys.readouterr().err


def test_a_value_that_nobody_expected_fails(own: Path, capsys: Screen) -> None:
    cases = own.parents[2] / "tests/profiles/mine/meter.toml"
    text = cases.read_text("utf-8")
    gone = next(one for one in text.splitlines() if one.startswith("import_energy = "))
    cases.write_text(text.replace(f"{gone}\n", "", 1), "utf-8")
    assert main(["profile", "test", str(own)]) == 1
    assert "import_energy is " in (out := capsys.readouterr().out)
    assert "which nobody expected" in out


def test_a_list_that_cannot_be_read_is_a_sentence(tmp_path: Path, capsys: Screen) -> None:
    assert main(["profile", "import", str(tmp_path)]) == 2
    assert capsys.readouterr().err == f"{tmp_path}: Is a directory\n"
    (tmp_path / "list.csv").write_text('Address;Name\n1;"' + "x" * 140_000 + "\n", "utf-8")
    assert main(["profile", "import", str(tmp_path / "list.csv")]) == 2
    assert "this is no list that a spreadsheet would read: " in capsys.readouterr().err


def test_a_column_has_one_meaning_though_its_head_has_words_of_two(tmp_path: Path, capsys: Screen) -> None:
    text = "Parameter address;Signal;Object type\n16;Voltage;float\n"
    (tmp_path / "list.csv").write_text(text, "utf-8")
    assert main(["profile", "import", str(tmp_path / "list.csv"), "--vendor", "A", "--model", "M"]) == 0
    point = tomllib.loads(capsys.readouterr().out)["point"]["voltage"]
    assert (point["addr"], point["type"]) == (16, "f32")
    assert "table" not in point


def test_scales_are_read_as_vendors_write_them_and_doubts_are_remarked(
    tmp_path: Path, capsys: Screen
) -> None:
    scales = ("1/10", "/100", "÷ 1000", "10^-2", "10", "0.1", "/none")
    rows = [f"{at};Value {at};uint16;kW;{scale}" for at, scale in enumerate(scales)]
    more = ["20;Flag;bool;;", "21;Lamp;bit field;;"]
    head = "Register address;Register name;Data type;Unit;Scale"
    (tmp_path / "list.csv").write_text("\n".join([head, *rows, *more]), "utf-8")
    words = ["profile", "import", str(tmp_path / "list.csv"), "--vendor", "A", "--model", "M"]
    assert main([*words, "--table", "input"]) == 0
    text = capsys.readouterr().out
    made = tomllib.loads(text)
    found = [made["point"][f"value_{at}"].get("scale", 1) for at in range(len(scales))]
    assert found == [0.1, 0.01, 0.001, 0.01, 10, 0.1, 1]
    assert [made["point"][name]["type"] for name in ("flag", "lamp")] == ["bool", "bool"]
    assert made["defaults"]["table"] == "input"
    assert 'scale: is "10" what to multiply by, or to divide by?' in text
    assert 'scale: "/none" is not understood' in text
