"""citygate read --explore: guesses, each with the line to copy, through the gateway where one runs."""

from __future__ import annotations

import json
import struct
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.cli.explore import _print
from agent.cli.main import main
from agent.config.load import load
from agent.core.driver import Guess
from tests.cli.conftest import SITE, lay
from tests.cli.test_scan import gateway
from tests.peers import libmodbus

Screen = pytest.CaptureFixture[str]


@pytest.fixture
def meter() -> Iterator[libmodbus.LibmodbusServer]:
    with libmodbus.serve() as server:
        server.set("holding", 0, [0] * 200)
        server.set("input", 0, [0] * 200)
        server.set("input", 100, list(struct.unpack(">2H", struct.pack(">f", 230.4)))[::-1])
        yield server


@pytest.fixture
def metered(meter: libmodbus.LibmodbusServer, tmp_path: Path) -> Path:
    return lay(tmp_path / "site", meter.port)


def explore(site: Path, *words: str, socket: Path | None = None) -> int:
    where = ("--config", str(site), "--socket", str(socket or site / "none.sock"))
    return main(["read", "--explore", *words, *where])


def test_the_line_to_copy_makes_a_point_with_the_right_value(metered: Path, capsys: Screen) -> None:
    assert explore(metered, "main-meter", "--addr", "101", "--expect", "230 V") == 0
    said = capsys.readouterr().out
    assert "directly, because no gateway holds the line" in said
    [line] = [one.strip() for one in said.splitlines() if one.endswith("# 230.4")]
    assert tomllib.loads(line)["my_point"] == {
        "addr": 100, "table": "input", "type": "f32", "byte_order": "CDAB", "unit": "V"
    }  # fmt: skip
    with (metered / "site.toml").open("a") as file:
        file.write(line)
    load(metered)
    assert main(["read", "main-meter.my_point", "--config", str(metered), "--socket", "/nonexistent/s"]) == 0
    assert "230.4" in capsys.readouterr().out


def test_a_running_gateway_is_asked_and_keeps_the_only_connection(
    metered: Path, meter: libmodbus.LibmodbusServer, capsys: Screen
) -> None:
    with gateway(metered) as socket:
        words = ("plant-room", "--unit", "9", "--addr", "0x64", "--table", "input", "--json")
        assert explore(metered, *words, socket=socket) == 0
        ever, _ = meter.connections()
        asked = meter.requests()
    assert ever == 1
    assert {tuple(one[:2]) for one in asked if one[0] == 9} == {(9, 4)}
    [first, *_] = json.loads(capsys.readouterr().out)["guesses"]
    assert (first["value"], first["where"]) == ("230.4", "input 100")


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("main-meter", "needs the NAME of one device or link, and --addr N"),
        ("--addr 5", "needs the NAME of one device or link"),
        ("main-metre --addr 5", 'did you mean "main-meter"'),
        ("main-meter --addr 5 --unit 3", "main-meter has its unit number already"),
        ("main-meter --addr five", '"five" is no address'),
        ("main-meter --addr 5 --expect warm", '"warm" is no value'),
        ("main-meter --addr 5 --table coil", '"coil" is none of holding, input'),
    ],
)
def test_a_wrong_word_is_one_sentence_and_2(words: str, sentence: str, site: Path, capsys: Screen) -> None:
    assert explore(site, *words.split()) == 2
    error = capsys.readouterr().err
    assert sentence in error
    assert error.count("\n") == 1


def test_words_of_exploring_belong_to_it(site: Path, capsys: Screen) -> None:
    assert main(["read", "main-meter", "--addr", "5", "--config", str(site)]) == 2
    assert "--addr belongs to --explore" in capsys.readouterr().err


def test_a_link_without_registers_has_nothing_to_explore(tmp_path: Path, capsys: Screen) -> None:
    text = '[link.square]\ndriver = "camera"\nsource = "rtsp://10.30.0.7/s"\nmodel = "nanodet-g"\n'
    line = "[link.square.lines.gate]\nfrom = [0.5, 0.9]\nto = [0.5, 0.1]\n"
    (tmp_path / "site.toml").write_text(SITE.partition("[link")[0] + text + line, "utf-8")
    assert explore(tmp_path, "square", "--addr", "1") == 1
    assert "square: driver camera has no registers to explore" in capsys.readouterr().err


def test_of_many_guesses_the_likely_ones_are_shown_and_text_gives_no_line(capsys: Screen) -> None:
    text = Guess(value="SDM630", where="holding 0", raw="5344", likely=0.9, why="text", keys={"text": 6})
    rest = [
        Guess(value=str(n), where="input 0", raw="0000", likely=0.01, why="-", keys={"addr": n})
        for n in range(9)
    ]
    _print([text, *rest], "directly")
    said = capsys.readouterr().out
    assert "SDM630" in said
    assert "my_point" not in said
    assert "9 less likely ones: --json prints them all" in said


def test_guesses_that_are_all_likely_are_all_shown(capsys: Screen) -> None:
    _print(
        [Guess(value="230.4", where="input 0", raw="4366", likely=0.9, why="-", keys={"addr": 0})], "directly"
    )
    said = capsys.readouterr().out
    assert "my_point = { addr = 0 }  # 230.4" in said
    assert "less likely" not in said
