"""The tree itself: small files, no traces of one machine, and pages whose TOML is true."""

from __future__ import annotations

import ast
import asyncio
import re
import shlex
import subprocess
import sys
import textwrap
import tomllib
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import pytest

from agent.cli.main import COMMANDS, parser_of
from agent.config.load import load
from agent.core.clock import SystemClock
from agent.core.driver import Desk
from agent.core.errors import ConfigError, DriverError
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


def test_a_function_is_at_most_fifty_lines_below_its_docstring() -> None:
    found = [
        f"{path.relative_to(ROOT)}: {one.name}, {lines}"
        for path in PRODUCTION
        for one in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef) and (lines := height(one)) > 50
    ]
    assert not found


def height(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    said = (
        (ast.get_docstring(function, clean=False) or "").count("\n") + 1 if ast.get_docstring(function) else 0
    )
    return (function.end_lineno or function.lineno) - function.lineno + 1 - said


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
    for target in links_of(page):
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
    for task in (
        "demo",
        "test",
        "check",
        "fmt",
        "bench",
        "peers",
        "faults",
        "soak",
        "long",
        "wheel",
        "deb",
        "lock",
        "clean",
        "help",
    ):
        assert f"make {task} " in said


def test_decisions_are_numbered_without_holes_and_name_the_roads_not_taken() -> None:
    pages = sorted((ROOT / "docs" / "decisions").glob("*.md"))
    assert [int(path.name[:4]) for path in pages] == list(range(1, len(pages) + 1))
    for number, page in enumerate(pages, 1):
        text = page.read_text(encoding="utf-8")
        assert text.startswith(f"# {number}. "), page.name
        assert re.search(r"(?m)^Date: \d{4}-\d{2} · Status: \w+", text), page.name
        assert "\n## Options" in text, page.name
        assert "\n## Decision" in text, page.name


def test_every_page_can_be_reached_from_the_index() -> None:
    docs = ROOT / "docs"
    linked = {(docs / one).resolve() for one in links_of(docs / "README.md")}
    for page in docs.rglob("*.md"):
        assert page == docs / "README.md" or page in linked or page.parent in linked, page


def test_the_readme_shows_two_files_that_make_one_site(tmp_path: Path) -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^   ```toml\n(.*?)^   ```", text, re.M | re.S)
    for name, block in zip(("site.toml", "sharing.toml"), blocks, strict=True):
        assert f"`site/{name}` says" in text
        (tmp_path / name).write_text(textwrap.dedent(block), encoding="utf-8")
    assert [one.id for one in load(tmp_path).routes] == ["city.energy"]


@pytest.mark.parametrize("page", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_the_commands_of_a_page_exist_with_their_options(page: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONFIGURATION_DIRECTORY", "/etc/citygate")  # a DIR would change it for the next test
    text = page.read_text(encoding="utf-8")
    blocks = "\n".join(re.findall(r"^ *```sh\n(.*?)^ *```", text, re.M | re.S))
    lines = re.findall(r"(?m)^(?:sudo )?citygate +(\S.*)", blocks)
    spans = [
        one for one in re.findall(r"`(?:\.venv/bin/|sudo )?citygate +([a-z][^`]*)`", text) if one.islower()
    ]
    for line in [*lines, *(one for one in spans if "|" not in one)]:
        words = shlex.split(re.split(r"\s#|[>|]", line)[0])
        assert words[0] in COMMANDS, line
        if len(words) > 1:
            parser_of(words[0])[1].parse_args(words[1:])


def test_the_driver_of_contributing_is_new_and_reads_numbers(tmp_path: Path) -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    [name] = re.findall(r"\*\*1\. `drivers/(\w+)\.py`\*\*", text)
    assert not (ROOT / "drivers" / f"{name}.py").exists()
    file = tmp_path / f"{name}.py"
    file.write_text(re.findall(r"^```python\n(.*?)^```", text, re.M | re.S)[0], encoding="utf-8")
    spec = spec_from_file_location(f"drivers.{name}", file)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    sys.modules[spec.name] = module  # msgspec looks annotations up there
    try:
        spec.loader.exec_module(module)
        kind = getattr(module, "".join(one.capitalize() for one in name.split("_")))
        device = kind.device_type(name="scale")
        assert asyncio.run(read_once(kind, device)) == [("scale.value", 12.5), ("scale.value", -3.0)]
    finally:
        del sys.modules[spec.name]


async def read_once(kind: type[Any], device: object) -> list[tuple[str, float | None]]:
    """Send two lines to a driver, close, and give what it emitted."""

    async def serve(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"12.5\n-3\n")
        writer.close()

    found: list[tuple[str, float | None]] = []
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        driver = kind(name="link", host="127.0.0.1", port=port, devices=(device,))
        with pytest.raises(DriverError, match="closed the connection"):
            await driver.run(
                lambda samples: found.extend((one.point, one.value) for one in samples), SystemClock(), Desk()
            )
    return found


def links_of(page: Path) -> list[str]:
    found = re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text(encoding="utf-8"))
    return [one for one in found if "://" not in one]
