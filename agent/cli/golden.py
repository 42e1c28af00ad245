"""Golden cases of profiles: raw words as a device sent them, and what they must become.

A case that a profile does not meet is told with the point, what came out and what was expected. A point that
no case covers is a failure too: nobody would notice a wrong address there. So is one that would read the same
beside its own place in every case.
"""

from __future__ import annotations

import math
import tempfile
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec
from msgspec import Struct, field

from agent.core.driver import CanReplay, Stretch
from agent.core.errors import ConfigError
from agent.core.settings import Settings
from agent.resources import resource

GOLDEN: Final = "tests/profiles"
_CLOSE: Final = 1e-6
_BESIDE: Final = (-2, -1, 1, 2)
_SITE: Final = """\
[site]
city = "a"
id = "b"
gateway = "c"
[link.line]
LINK
[device.it]
link = "line"
profile = "PROFILE"
"""
# how a device of each protocol is reached does not matter: it is not asked
_LINKS: Final = {"modbus": 'driver = "modbus-tcp"\nhost = "127.0.0.1"\n'}


class Words(Settings):
    """A stretch of raw words."""

    table: str
    addr: int
    words: tuple[int, ...]


class Case(Settings):
    """What stood in a device at one time, and what it means: a number, or why there is none."""

    what: str
    blocks: tuple[Words, ...]
    expected: dict[str, float | str]


class Golden(Settings):
    """A file of cases; ``source`` says where their addresses were read, if not in the profile's sources."""

    case: tuple[Case, ...]
    source: str = ""


class Verdict(Struct, frozen=True):
    """How a profile did: the points and cases it has, and a sentence for each thing that is wrong."""

    profile: str
    points: int = 0
    cases: int = 0
    failures: tuple[str, ...] = ()


class Subject(Struct, frozen=True):
    """A profile to be tested: its name, its text, and the file of its cases if there is one."""

    name: str
    text: str
    golden: Path | None = None
    about: dict[str, Any] = field(default_factory=dict)


def subject(given: str, folder: Path | None = None) -> Subject:
    """Find the profile that *given* means, a name or a file, with its cases; raise ConfigError."""
    file = Path(given)
    if given.endswith(".toml"):
        name = f"{file.parent.name or 'own'}/{file.stem}".lower()
    else:
        name, file = given, profile_file(given, folder)
    try:
        text = file.read_text("utf-8")
        about = tomllib.loads(text).get("profile", {})
    except OSError as error:
        raise ConfigError(f"{file}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file}: {error}") from error
    about = about if isinstance(about, dict) else {}
    beside = [file.resolve().parents[2] / GOLDEN] if len(file.resolve().parents) > 2 else []
    places = [*beside, Path(str(resource(GOLDEN)))]
    found = [one for place in places if (one := place / f"{name}.toml").is_file()]
    return Subject(name, text, found[0] if found else None, about)


def profile_file(name: str, folder: Path | None) -> Path:
    """Give the file of the profile called *name*, the site's own one first; raise ConfigError."""
    from difflib import get_close_matches

    from agent.config.profiles import FOLDER, SHIPPED, profiles

    own = [folder / FOLDER / f"{name}.toml"] if folder else []
    for place in (*own, Path(str(resource(f"{SHIPPED}/{name}.toml")))):
        if place.is_file():
            return place
    near = get_close_matches(name, profiles(folder), n=1)
    hint = f'; did you mean "{near[0]}"?' if near else "; `citygate profile list` shows all"
    raise ConfigError(f'no profile is called "{name}"{hint}')


def verdict(one: Subject) -> Verdict:
    """Compile the profile and run its cases; raise ConfigError with the report if it does not compile."""
    device = compiled(one)
    if one.golden is None:
        missing = f"it has no cases: write {GOLDEN}/{one.name}.toml with raw words and what they mean"
        return Verdict(one.name, len(device.points), 0, (missing,))
    cases = _cases(one.golden)
    failures: list[str] = []
    covered: set[str] = set()
    for case in cases:
        got = dict(_replayed(device, case))
        covered |= got.keys()
        failures += [f'"{case.what}": {line}' for line in _differences(case.expected, got)]
    failures += [f"no case covers {name}" for name in device.points if name not in covered]
    failures += _blind(device, cases)
    return Verdict(one.name, len(device.points), len(cases), tuple(failures))


def compiled(one: Subject) -> Any:  # noqa: ANN401 - the settings of whatever driver speaks its protocol
    """Give a device of this profile, as the configuration compiler makes it; raise ConfigError."""
    from agent.config.load import load

    link = _LINKS.get(str(one.about.get("protocol", "")))
    if link is None:
        known = ", ".join(_LINKS)
        raise ConfigError(
            f'{one.name}: its protocol has no raw words to test with; write protocol = "{known}"'
        )
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "profiles" / f"{one.name}.toml"
        file.parent.mkdir(parents=True)
        file.write_text(one.text, "utf-8")
        site = _SITE.replace("LINK", link).replace("PROFILE", one.name)
        (Path(folder) / "site.toml").write_text(site, "utf-8")
        [line] = load(Path(folder)).links
    driver: Any = line.driver
    [device] = driver.devices
    return device


def _cases(file: Path) -> tuple[Case, ...]:
    try:
        return msgspec.convert(tomllib.loads(file.read_text("utf-8")), Golden).case
    except (OSError, ValueError) as error:  # not TOML, not UTF-8, not a file of cases
        raise ConfigError(f"{file}: {error}") from error


def _blind(device: Any, cases: Sequence[Case]) -> Iterator[str]:  # noqa: ANN401
    """Name the points whose address could be wrong by a little without any case noticing."""
    told = [dict(_replayed(device, case)) for case in cases]
    for off in _BESIDE:
        moved = [dict(_replayed(device, case, off)) for case in cases]
        for name in device.points:
            ours = [one.get(name) for one in told]
            if any(one is not None for one in ours) and ours == [one.get(name) for one in moved]:
                yield f"{name} would be the same {off:+d} registers away: give its neighbour another value"


def _replayed(device: Any, case: Case, off: int = 0) -> Iterator[tuple[str, float | str]]:  # noqa: ANN401
    stretches = [Stretch(one.table, one.addr - off, one.words) for one in case.blocks]
    for name, point in device.points.items():
        assert isinstance(point, CanReplay)
        result = point.replay(device, stretches)
        if result is not None:
            value, why = result
            yield name, why if value is None else value


def _differences(expected: Mapping[str, float | str], got: Mapping[str, float | str]) -> Iterator[str]:
    for name, value in expected.items():
        if name not in got:
            yield f"{name} is not in these words, expected {value}"
        elif not _same(value, got[name]):
            yield f"{name} is {got[name]}, expected {value}"
    for name in got.keys() - expected.keys():
        yield f"{name} is {got[name]}, which nobody expected"


def _same(one: float | str, other: float | str) -> bool:
    if isinstance(one, str) or isinstance(other, str):
        return one == other
    return math.isclose(one, other, rel_tol=_CLOSE, abs_tol=1e-9)
