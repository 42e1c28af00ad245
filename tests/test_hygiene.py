"""The tree itself: small files, no traces of one machine, and pages whose TOML is true."""

from __future__ import annotations

import re
import subprocess
import tomllib
from itertools import pairwise
from pathlib import Path

import pytest

from agent.cli.main import COMMANDS, parser_of
from agent.config.load import load
from agent.core.errors import ConfigError
from tests.peers import need

ROOT = Path(__file__).parent.parent
PRODUCTION = sorted(
    path for folder in ("agent", "drivers", "pipelines") for path in (ROOT / folder).rglob("*.py")
)
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
BASE = """
[site]
city = "vaasa"
id = "library"
gateway = "gw1"
timezone = "Europe/Helsinki"
"""
DEVICES = """
[link.plant-room]
driver = "modbus-tcp"
host = "10.20.0.15"
[device.ahu-1]
link = "plant-room"
unit = 2
[device.ahu-1.points]
supply_temperature = { addr = 1, type = "i16", scale = 0.1, unit = "Cel" }
return_temperature = { addr = 2, type = "i16", scale = 0.1, unit = "Cel" }
filter_pressure = { addr = 3, type = "u16", unit = "Pa" }
"""
# put together here, so that this file does not find itself
_PLACES = ("/wo" + "rk/", "/ro" + "ot/", "/ho" + r"me/\w+/", "/opt/py" + "pi")
_REGISTRIES = (
    "py" + r"pi\.org",
    "pythonhost" + r"ed\.org",
    "registry" + r"\.npmjs",
    "deb" + r"\.debian\.org",
)
MACHINE = re.compile("|".join(_PLACES + _REGISTRIES))


def tracked() -> list[Path]:
    names = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=False
    )
    if names.returncode:
        pytest.skip("no git checkout here")
    return [ROOT / name for name in names.stdout.split("\0") if name]


@pytest.mark.parametrize("path", PRODUCTION, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_production_file_stays_below_400_lines_and_says_what_it_does(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert text.count("\n") < 400
    assert text.startswith('"""'), "a module begins with its docstring"


def test_no_file_names_a_place_of_one_machine_or_a_registry() -> None:
    found = [
        f"{path.relative_to(ROOT)}: {match[0]}"
        for path in tracked()
        if path.is_file() and path.suffix not in {".db", ".png"}
        for match in MACHINE.finditer(path.read_text(encoding="utf-8", errors="replace"))
    ]
    assert not found


@pytest.mark.parametrize("page", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_the_toml_of_a_page_goes_through_the_loader(page: Path, tmp_path: Path) -> None:
    for number, site in enumerate(sites(page.read_text(encoding="utf-8"))):
        file = tmp_path / f"{page.stem}-{number}.toml"
        file.write_text(completed(site), encoding="utf-8")
        load(file)


@pytest.mark.parametrize("page", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_the_links_of_a_page_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text(encoding="utf-8")):
        if "://" not in target:
            assert (page.parent / target).exists(), target


def completed(text: str) -> str:
    """Add what a page may leave out: the site, and for pages about products its devices."""
    given = tomllib.loads(text)
    parts = [text, *([] if "site" in given else [BASE])]
    if "product" in given and "device" not in given:
        parts.append(DEVICES)
    return "\n".join(parts)


def sites(text: str) -> list[str]:
    """Put the TOML blocks of a page together: they are one site until a block says something anew."""
    found: list[str] = []
    for block in re.findall(r"^```toml\n(.*?)^```", re.sub(r"(?m)^   (?=\S|$)", "", text), re.M | re.S):
        try:
            tomllib.loads("\n".join([*found[-1:], block]))
        except tomllib.TOMLDecodeError:
            tomllib.loads(block)
            found.append(block)
        else:
            found[-1:] = ["\n".join([*found[-1:], block])]
    return found


@pytest.mark.parametrize("name", COMMANDS)
def test_the_help_of_a_command_ends_with_examples(name: str) -> None:
    _, parser = parser_of(name)
    text = parser.format_help()
    examples = text.partition("\nexamples:\n")[2].splitlines()
    assert [line for line in examples if line.strip().startswith(f"citygate {name}") or "citygate " in line]


def test_a_page_with_a_wrong_key_would_be_noticed(tmp_path: Path) -> None:
    file = tmp_path / "site.toml"
    file.write_text(BASE + '[link.x]\ndriver = "modbus-tcp"\nhots = "10.0.0.1"\n', encoding="utf-8")
    with pytest.raises(ConfigError, match="hots"):
        load(file)


def test_commands_stand_in_the_page_of_commands() -> None:
    page = (ROOT / "docs" / "maintainer" / "commands.md").read_text(encoding="utf-8")
    places = [page.find(f"`citygate {name}") for name in COMMANDS]
    assert -1 not in places


def test_make_help_lists_every_task() -> None:
    make = need("make")
    said = subprocess.run(
        [make, "-s", "help"], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True
    ).stdout
    for task in ("demo", "test", "check", "fmt", "bench", "peers", "long", "wheel", "clean", "help"):
        assert f"make {task} " in said


def test_decisions_are_numbered_without_repeats() -> None:
    numbers = [int(path.name[:4]) for path in sorted((ROOT / "docs" / "decisions").glob("*.md"))]
    assert all(one < other for one, other in pairwise(numbers))
