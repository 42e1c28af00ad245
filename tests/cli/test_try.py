"""`citygate try` prints what recorded samples would make leave."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.cli.main import main
from agent.cli.recorded import samples
from agent.core.errors import ConfigError

Screen = pytest.CaptureFixture[str]
CASES = Path(__file__).parents[1] / "cases" / "pipelines"
BEGIN = 1_795_291_200  # 2026-11-21T20:00:00Z


def write(path: Path, samples: list[dict[str, object]]) -> Path:
    path.write_text("".join(f"{json.dumps(one)}\n" for one in samples), encoding="utf-8")
    return path


def recorded(minutes: int) -> list[dict[str, object]]:
    return [
        {"at": BEGIN + 60 * minute, "point": point, "value": value}
        for minute in range(minutes)
        for point, value in (
            ("main-meter.active_power", 12.0),
            ("main-meter.import_energy", 100.0 + minute / 10),
        )
    ]


def test_windows_leave_as_native_messages(site: Path, tmp_path: Path, capsys: Screen) -> None:
    file = write(tmp_path / "samples.jsonl", recorded(31))
    assert main(["try", str(file), str(site), "--json"]) == 0
    found = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert {one["topic"] for one in found} == {"citygate/1/vaasa/library/gw1/d/energy"}
    bodies = [one["body"] for one in found]
    assert [one["t"] for one in bodies] == [
        "2026-11-21T20:00:00Z", "2026-11-21T20:15:00Z", "2026-11-21T20:30:00Z",
    ]  # fmt: skip
    assert [one["s"] for one in bodies] == [1, 2, 3]
    assert bodies[1]["r"][1][-1] == 1.5
    assert bodies[0]["r"][0][2] == 12.0


def test_small_counts_wait_and_what_is_left_is_told_as_suppressed(
    site: Path, tmp_path: Path, capsys: Screen
) -> None:
    (site / "door.toml").write_text(
        """
[device.door]
link = "plant-room"
unit = 2
every = "1m"
[device.door.points]
in = { addr = 0, kind = "count", scope = "public" }
[product.flow]
from = ["door.in"]
window = "15m"
statistics = ["sum"]
privacy = { mode = "hold" }
""",
        encoding="utf-8",
    )
    text = (site / "sharing.toml").read_text()
    (site / "sharing.toml").write_text(text.replace('["energy"]', '["energy", "flow"]'))
    passed = {3: 2, 18: 4, 40: 1}
    door = [{"at": BEGIN + 60 * n, "point": "door.in", "value": passed.get(n, 0)} for n in range(46)]
    assert main(["try", str(write(tmp_path / "s.jsonl", door)), str(site), "--json"]) == 0
    found = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    bodies = [one["body"] for one in found if one["topic"].endswith("/flow")]
    assert [(one["t"][11:16], one["w"], one["r"][0][2]) for one in bodies] == [
        ("20:00", 1800, 6),
        ("20:30", 1800, None),
    ]
    assert bodies[1]["x"]["door.in"]["q"] == "suppressed"


FLATS = "".join(
    f"""
[device.flat-{n}]
link = "plant-room"
unit = {n}
every = "1m"
[device.flat-{n}.points]
energy = {{ addr = 0, kind = "counter", scope = "household", unit = "kW.h" }}
"""
    for n in range(10, 16)
)


def test_homes_leave_together_unless_one_of_them_is_most_of_it(
    site: Path, tmp_path: Path, capsys: Screen
) -> None:
    (site / "flats.toml").write_text(
        FLATS
        + """
[product.flats]
from = ["flat-*.energy"]
window = "15m"
statistics = ["delta"]
combine = { name = "flats.energy" }
privacy = { mode = "min-sources" }
""",
        encoding="utf-8",
    )
    text = (site / "sharing.toml").read_text()
    (site / "sharing.toml").write_text(text.replace('["energy"]', '["energy", "flats"]'))
    read = [
        {"at": BEGIN + 60 * minute, "point": f"flat-{n}.energy", "value": n + minute / 10 * (1 + 90 * most)}
        for minute in range(46)
        for n in range(10, 16)
        for most in [n == 10 and minute >= 30]
    ]
    assert main(["try", str(write(tmp_path / "s.jsonl", read)), str(site), "--json"]) == 0
    found = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    bodies = [one["body"] for one in found if one["route"] == "city.flats"]
    rows = [(one["t"][11:16], one["r"][0], one.get("x", {})) for one in bodies]
    assert rows[1][:2] == ("20:15", ["flats.energy", 90, 9])
    assert rows[2][1:] == (["flats.energy", None, None], {"flats.energy": {"q": "suppressed"}})
    assert "flat-10" not in str(found)


def test_what_has_no_windows_ends_with_the_recording(site: Path, tmp_path: Path, capsys: Screen) -> None:
    (site / "boiler.toml").write_text(
        """
[device.boiler]
link = "plant-room"
unit = 2
every = "1m"
[device.boiler.points]
temperature = { addr = 0, type = "u16", unit = "Cel" }
[product.alarms]
from = ["boiler.temperature"]
steps = [{ use = "threshold", above = 50 }]
""",
        encoding="utf-8",
    )
    text = (site / "sharing.toml").read_text()
    (site / "sharing.toml").write_text(text.replace('["energy"]', '["energy", "alarms"]'))
    read = [{"at": BEGIN + 60 * n, "point": "boiler.temperature", "value": 40 + 5 * n} for n in range(6)]
    assert main(["try", str(write(tmp_path / "s.jsonl", read)), str(site), "--json"]) == 0
    found = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    told = [one["body"] for one in found if one["route"] == "city.alarms"]
    assert [(one["t"], one["val"]) for one in told] == [("2026-11-21T20:03:00Z", 55)]


def test_noise_leaves_no_window_out(site: Path, tmp_path: Path, capsys: Screen) -> None:
    (site / "door.toml").write_text(
        """
[device.door]
link = "plant-room"
unit = 2
every = "1m"
[device.door.points]
in = { addr = 0, kind = "count", scope = "public" }
[product.flow]
from = ["door.in"]
window = "1m"
statistics = ["sum"]
privacy = { mode = "dp", epsilon = 0.1 }
""",
        encoding="utf-8",
    )
    text = (site / "sharing.toml").read_text()
    (site / "sharing.toml").write_text(text.replace('["energy"]', '["energy", "flow"]'))
    door = [{"at": BEGIN + 60 * n, "point": "door.in", "value": 0} for n in range(40)]
    assert main(["try", str(write(tmp_path / "s.jsonl", door)), str(site), "--json"]) == 0
    found = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    bodies = [one["body"] for one in found if one["route"] == "city.flow"]
    rows = [one["r"][0] for one in bodies]
    assert len(rows) == 40
    assert all(n is None and isinstance(value, int) for _, n, value in rows)
    assert not any("x" in one for one in bodies)
    assert min(value for *_, value in rows) < 0 < max(value for *_, value in rows)  # but for one run in 2^39


def test_times_may_be_written_as_text(site: Path, tmp_path: Path, capsys: Screen) -> None:
    sample = {"at": "2026-11-21T22:00:10+02:00", "point": "main-meter.active_power", "value": 5}
    assert main(["try", str(write(tmp_path / "s.jsonl", [sample])), str(site)]) == 0
    assert '"t":"2026-11-21T20:00:00Z"' in capsys.readouterr().out


def test_samples_that_no_product_takes_are_counted(site: Path, tmp_path: Path, capsys: Screen) -> None:
    file = write(tmp_path / "s.jsonl", [{"at": BEGIN, "point": "main-meter.volts", "value": 230}] * 3)
    main(["try", str(file), str(site)])
    assert "main-meter.volts: 3 samples that no product takes" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("{", ":2:1: not JSON"),
        ('{"at": 1}', '"point" is missing; write {"at": '),
        ('{"t": 1, "p": "a.b", "v": 2}', 'unknown key "t"; '),
        ('{"at": 1, "point": "a.b", "valeu": 2}', 'did you mean "value"?'),
        ('{"at": 1, "point": "a.b", "value": NaN}', "not finite"),
        ('{"at": 1, "point": "a.b", "value": 1e999}', "not finite"),
        ('{"at": 1, "point": "a.b", "value": "12"}', '"value" is a number, not "12"'),
        ('{"at": 1, "point": "a.b", "value": true}', '"value" is a number, not true'),
        ('{"at": 1, "point": ["a"], "value": 1}', '"point" is text, not ["a"]'),
        ('{"at": "noon", "point": "a.b", "value": 1}', '"noon" is no time such as'),
        ('{"at": 1e300, "point": "a.b", "value": 1}', "outside the years 1970 to 9999"),
        ('{"at": "2026-11-21", "point": "a.b", "value": 1}', "days lie between this sample and"),
        ('{"at": 1, "point": "a.b", "value": 1, "quality": "fine"}', 'good, uncertain or bad, not "fine"'),
        ("[1]", "a sample is an object"),
        ("[" * 5000, ":2: "),
        ("9" * 5000, ":2: "),
    ],
)
def test_a_faulty_line_is_named(line: str, said: str, site: Path, tmp_path: Path, capsys: Screen) -> None:
    file = tmp_path / "s.jsonl"
    sound = '{"at": 0, "point": "main-meter.active_power", "value": 1}'
    file.write_text(f"{sound}\n{line}\n", encoding="utf-8")
    assert main(["try", str(file), str(site)]) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"{file}:2")
    assert said in error
    assert error.count("\n") == 1


def test_a_file_that_is_no_text_is_refused_by_line(site: Path, tmp_path: Path, capsys: Screen) -> None:
    (tmp_path / "s.jsonl").write_bytes(b"\n\xfe\xff")
    assert main(["try", str(tmp_path / "s.jsonl"), str(site)]) == 2
    assert "not UTF-8" in capsys.readouterr().err


def test_the_samples_of_the_golden_cases_are_of_the_same_form() -> None:
    for file in sorted(CASES.glob("*/samples.jsonl")):
        lines = [one for one in file.read_text("utf-8").splitlines() if '"do"' not in one]
        assert list(samples((one for one in lines if '"ago"' not in one), str(file)))


def test_a_file_that_is_not_there_is_a_sentence(site: Path, capsys: Screen) -> None:
    assert main(["try", "/nowhere/s.jsonl", str(site)]) == 2
    assert "No such file" in capsys.readouterr().err


def test_samples_that_no_product_takes_are_told_and_nothing_leaves(
    site: Path, tmp_path: Path, capsys: Screen
) -> None:
    file = write(tmp_path / "samples.jsonl", [{"at": BEGIN, "point": "attic.fan", "value": 1.0}])
    with file.open("a", encoding="utf-8") as more:
        more.write("\n  \n")
    text = (site / "sharing.toml").read_text("utf-8")
    (site / "sharing.toml").write_text(text[: text.index("[grant")], "utf-8")
    assert main(["try", str(file), str(site)]) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err == (
        "attic.fan: 1 sample that no product takes\n"
        "nothing would leave: no granted product takes these samples\n"
    )


def test_windows_are_shown_as_they_close_while_samples_still_come(
    site: Path, capsys: Screen, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown: list[str] = []

    def coming() -> Iterator[str]:
        for one in recorded(40):
            shown.append(capsys.readouterr().out)
            yield json.dumps(one) + "\n"

    monkeypatch.setattr("sys.stdin", coming())
    assert main(["try", "-", str(site)]) == 0
    assert "20:00:00Z" in "".join(shown), "before the last sample has come"


def test_without_any_sample_nothing_would_leave(site: Path, tmp_path: Path, capsys: Screen) -> None:
    assert main(["try", str(write(tmp_path / "samples.jsonl", [])), str(site)]) == 1
    assert capsys.readouterr().err == "nothing would leave: no granted product takes these samples\n"


@pytest.mark.parametrize("value", ["1" + "0" * 400, "-1" + "0" * 400, "1e999"])
def test_a_number_beyond_all_bounds_is_refused_with_its_line(value: str) -> None:
    line = '{"at": 1795291200, "point": "a.x", "value": VALUE}'.replace("VALUE", value)
    with pytest.raises(ConfigError, match=r'^f:1: "value" is not finite'):
        list(samples([line], "f"))
