"""EDE files of many makers read alike, faults have file and line, and what is written reads back."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.json import decode

from agent.core.errors import ConfigError
from drivers.bacnet import cells
from drivers.bacnet.ede import Ede, ede_files, ede_of, states_of
from drivers.bacnet.ede_files import read, write
from drivers.bacnet.facts import DeviceFacts, ObjectFacts
from drivers.bacnet.kinds import POLLED

CASES = Path(__file__).parents[2] / "cases" / "ede"
HEADS = "keyname;device obj.-instance;object-name;object-type;object-instance;state-text-reference\n"


@pytest.mark.parametrize("case", sorted(CASES.iterdir()), ids=lambda path: path.name)
def test_a_file_is_read_as_its_case_says(case: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(case)
    [file] = [one for one in Path().glob("*.csv") if "ede" in one.name.casefold() and "tate" not in one.name]
    assert read(file) == decode((case / "expected.json").read_bytes(), type=Ede)


words = st.text(st.characters(exclude_categories=["Cs"]), max_size=12).map(cells.clean)
objects = st.builds(
    ObjectFacts,
    type=st.sampled_from([*POLLED, "life-safety-point", "204"]),
    instance=st.integers(0, 4194302),
    name=words.filter(bool),
    description=words,
    unit=st.none() | st.integers(0, 70000),
    # a text that is empty at the end cannot be told from a cell that is not there
    states=st.lists(words, max_size=4).filter(lambda said: not said or bool(said[-1])).map(tuple),
    minimum=st.none() | st.floats(allow_nan=False, allow_infinity=False),
    maximum=st.none() | st.floats(allow_nan=False, allow_infinity=False),
    settable=st.none() | st.booleans(),
    cov=st.none() | st.booleans(),
)
devices = st.lists(
    st.builds(
        DeviceFacts,
        instance=st.integers(0, 4194302),
        name=words.filter(bool),
        objects=st.lists(objects, max_size=5, unique_by=lambda one: one.id).map(tuple),
    ),
    max_size=3,
    unique_by=lambda one: one.instance,
)


@settings(max_examples=50)
@given(devices)
def test_what_is_written_reads_back_as_the_same_devices(given_: list[DeviceFacts]) -> None:
    table, texts, *_ = ede_files(given_, project="x", changed="2026-11-28")
    ede = ede_of(table, "x_EDE.csv", (texts, "x_StateTexts.csv"))
    assert ede.faults == ()
    assert list(ede.devices) == given_


@given(st.binary(max_size=300))
def test_any_bytes_are_read_or_refused_with_the_name_of_the_file(data: bytes) -> None:
    for text in (data, HEADS.encode() + data):
        try:
            ede = ede_of(text, "x_EDE.csv", (data, "x_StateTexts.csv"))
        except ConfigError as error:
            assert str(error).startswith("x_")  # noqa: PT017 - most of these bytes are refused
        else:
            assert all(fault.startswith("x_EDE.csv:") for fault in ede.faults)


@pytest.mark.parametrize(
    ("cell", "value"),
    [
        ("21.5", 21.5),
        ("21,5", 21.5),
        ("-0,5", -0.5),
        ("1.021,5", 1021.5),
        ("1,021.5", 1021.5),
        ("1 021,5", 1021.5),
        ("1'021.5", 1021.5),
        ("1E3", 1000.0),
        ("", None),
        ("abc", None),
        ("1e999", None),
        ("21,5,3", None),
    ],
)
def test_a_number_is_read_as_people_of_many_countries_write_it(cell: str, value: float | None) -> None:
    assert cells.number(cell) == value


def test_a_table_that_is_no_ede_says_which_heads_it_lacks() -> None:
    with pytest.raises(ConfigError, match=r'^x\.csv: .*no line of heads says "object-instance"'):
        ede_of(b"a;device obj.-instance;object-type\n", "x.csv")


def test_state_texts_that_cannot_be_read_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"^x_StateTexts\.csv: this is no table of state texts"):
        states_of(b"1 aus ein\n2 auto hand\n", "x_StateTexts.csv")


def test_what_devices_call_themselves_is_no_formula_for_a_spreadsheet() -> None:
    fan = ObjectFacts(type="binary-input", instance=1, name='=cmd|"/c calc"!A1', states=("-off", "+on"))
    files = ede_files([DeviceFacts(instance=1, objects=(fan,))], project="@x", changed="")
    table = [row for file in files for _, row in _raw_rows(file)]
    assert not [cell for row in table for cell in row if cell.startswith(("=", "+", "-", "@"))]
    ede = ede_of(files[0], "x", (files[1], "y"))
    assert ede.devices[0].objects == (fan,)


def test_a_set_of_files_is_written_once_and_never_over_another(tmp_path: Path) -> None:
    device = DeviceFacts(instance=1, name="ISP", objects=(ObjectFacts(type="loop", instance=2, name="R"),))
    files = write(tmp_path / "nord_EDE.csv", [device], changed="2026-11-28")
    assert [file.name for file in files] == [
        "nord_EDE.csv",
        "nord_StateTexts.csv",
        "nord_ObjTypes.csv",
        "nord_Units.csv",
    ]
    ede = read(files[0])
    assert (ede.project, ede.layout, ede.devices) == ("nord", "2.3", (device,))
    with pytest.raises(ConfigError, match=r"nord_EDE\.csv is there already"):
        write(tmp_path / "nord", [device], changed="2026-11-28")


def test_a_file_that_is_not_there_is_named() -> None:
    with pytest.raises(ConfigError, match=r"^nowhere\.csv: No such file"):
        read(Path("nowhere.csv"))


def _raw_rows(data: bytes) -> list[tuple[int, list[str]]]:
    lines = data.decode("utf-8-sig").splitlines()
    return [(at, [cell.strip('"') for cell in line.split(";")]) for at, line in enumerate(lines)]


def test_a_file_beside_which_nothing_can_be_looked_for_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"x_EDE\.csv: No such file"):
        read(tmp_path / "no folder" / "x_EDE.csv")
    with pytest.raises(ConfigError, match=r"x_EDE\.csv: No such file"):
        write(tmp_path / "no folder" / "x", [], changed="2026-11-28")


def test_a_file_that_is_far_too_large_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("drivers.bacnet.ede_files._LARGEST", 1 << 20)
    (tmp_path / "x.csv").write_bytes(bytes((1 << 20) + 1))
    with pytest.raises(ConfigError, match="larger than 1 MB: no EDE file is"):
        read(tmp_path / "x.csv")


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp1252", "latin-1"]
)
def test_a_table_is_read_in_whatever_letters_a_spreadsheet_wrote_it(encoding: str) -> None:
    text = "keyname;Z\u00fcrich;B\u00fcro\r\n" * 3
    assert cells.decoded(text.encode(encoding)) == text
    assert cells.decoded(b"a;\x81;b") == "a;\x81;b"  # which no code page of Windows has
