"""What people and cities write: files of a configuration through the whole compiler, and questions."""

from __future__ import annotations

import asyncio
import random
import tomllib
from collections.abc import Iterator, Sequence
from datetime import date
from pathlib import Path
from typing import Any, Final

from agent.answers import Answers
from agent.config.load import load
from agent.config.locate import locate
from agent.config.sources import _is_too_deep
from agent.control import Control
from agent.core.errors import ConfigError
from agent.gateway import Gateway
from agent.outbox.outbox import Outbox
from agent.supervisor import Supervisor
from agent.uplink.uplink import Uplink
from agent.watchdog import Watchdog
from tests.fuzz.loop import completed
from tests.fuzz.target import MARK, Run, Target, pure, texts
from tests.simulation.site import write_sharing, write_site
from tests.virtual import VirtualClock

_ROOT: Final = Path(__file__).parents[3]
_TODAY: Final = date(2026, 11, 28)
_ODD: Final = '''
a.b."c d" = [1, {x = 2, y = [3]}, """
t"""]
[[t]]
k = 'l'
[[t]]
[t.u]
d = 1979-05-27T07:32:00Z
f = -inf # x
["q"]
'''
_SITE: Final = """
[site]
city = "vaasa"
id = "library"
gateway = "gw1"
timezone = "Europe/Helsinki"
[outbox]
cap = "64MB"
[link.plant]
driver = "modbus-tcp"
host = "10.20.0.15"
[device.m1]
link = "plant"
unit = 1
profile = "acme/one"
every = "10s"
[link.p1]
driver = "p1"
host = "10.0.0.3"
port = 23
[device.meter]
link = "p1"
[link.bms]
driver = "bacnet-ip"
interface = "10.20.0.2/24"
[device.ahu]
link = "bms"
instance = 1011
[device.ahu.points]
t = { object = "analog-input,1", unit = "Cel" }
"""
_SHARING: Final = """
[owner]
name = "City"
contact = "a@b.example"
[product.energy]
from = ["m1.*"]
window = "15m"
statistics = ["mean", "max"]
steps = [
  { use = "validate", range = [0, 1e6] },
  { use = "derive", name = "x", expression = "(a + 2.5) * max(1, b)" },
]
[recipient.city]
broker = "mqtts://broker.vaasa.example:8883"
[grant.ops]
recipient = "city"
products = ["energy"]
purpose = "operations"
basis = "public-task"
keep = "400d"
until = 2030-01-01
"""
_QUESTION: Final = 40_000
_FILES: Final = ("site.toml", "sharing.toml", "profiles/acme/one.toml")


def _compiler(folder: Path) -> Run:
    for name in _FILES:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)

    def run(data: bytes) -> None:
        """Give a plan, or a report whose every line a terminal may show."""
        for name, text in zip(_FILES, texts(data, len(_FILES)), strict=True):
            (folder / name).write_bytes(text)
        try:
            plan = load(folder, today=_TODAY)
        except ConfigError as error:
            report = str(error)
            assert report
            assert all(one.isprintable() or one in "\t\n" for one in report)
            return
        assert plan.place.city
        granted = {(one.recipient, product) for one in plan.grants for product in one.products}
        assert {(one.recipient, one.product) for one in plan.routes} <= granted
        assert all(one.isprintable() for one in plan.warnings)
        assert load(folder, today=_TODAY) == plan

    return run


def _places(data: bytes) -> None:
    """Find the place of everything that is in a TOML text."""
    try:
        text = data.decode()
        tables = tomllib.loads(text.replace("\r\n", "\n"))
    except (ValueError, RecursionError):
        return
    if _is_too_deep(tables):
        return  # nobody asks for places in a file that is refused
    text = text.replace("\r\n", "\n")
    places = locate(text)
    lines = text.split("\n")
    for path in _paths(tables, ()):
        place = places[path]
        for span in (place.key, place.value):
            assert 1 <= span.line <= len(lines)
            assert 1 <= span.column <= len(lines[span.line - 1]) + 1


def _paths(value: object, path: tuple[str | int, ...]) -> Iterator[tuple[str | int, ...]]:
    if path:
        yield path
    items: Any = (
        value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    )
    for key, inner in items:
        yield from _paths(inner, (*path, key))


def _questions(folder: Path) -> Run:
    answers = completed(_answers(folder))
    control = Control(folder / "sock", answers)

    def run(data: bytes) -> None:
        """Answer one line with one object, or say what is wrong with the question."""
        answer = completed(_replied(control, data.replace(b"\n", b" ")[:_QUESTION] + b"\n"))
        assert isinstance(answer, dict)
        assert answer

    return run


async def _replied(control: Control, line: bytes) -> object:
    reader = asyncio.StreamReader(limit=_QUESTION + 1)
    reader.feed_data(line)
    reader.feed_eof()
    return await control._reply(await reader.readline())


async def _answers(folder: Path) -> Answers:
    write_site(folder / "etc", links={"plant": (1, 2), "roof": (3,)}, every="30s")
    write_sharing(folder / "etc")
    clock = VirtualClock()
    outbox = await Outbox.open(folder, cap=1 << 20, keep=86400.0, clock=clock, boxed=False)
    gateway = Gateway(
        clock=clock,
        outbox=outbox,
        supervisor=Supervisor(clock, random.Random(1)),
        watchdog=Watchdog(10.0),
        make_uplink=Uplink,
    )
    gateway.plan = load(folder / "etc", today=_TODAY)
    gateway.flow.configure(gateway.plan)
    return Answers(gateway)


def _sites() -> Sequence[bytes]:
    """Give the sites of the compiler's cases, of the demo, and one with a profile of its own."""
    found = []
    cases = _ROOT / "tests" / "cases" / "config"
    for site in [*sorted(cases.glob("*/site.toml")), _ROOT / "config/templates/demo/site.toml"]:
        sharing = site.with_name("sharing.toml")
        found.append(MARK.join((site.read_bytes(), sharing.read_bytes() if sharing.exists() else b"", b"")))
    profile = (_ROOT / "config/profiles/eastron/sdm120.toml").read_text("utf-8")[:1500].rpartition("\n[")[0]
    return [*found, MARK.join(one.encode() for one in (_SITE, _SHARING, profile))]


def _texts() -> Sequence[bytes]:
    whole = [one for site in _sites() for one in texts(site, 3) if one]
    return [_ODD.encode(), *whole]


_WORDS: Final = (
    b"[link.a]\n",
    b"[[x]]\n",
    b"[device.m1.points]\n",
    b"= [",
    b"]",
    b"{",
    b"}",
    b'"',
    b"'''",
    b"\\u0000",
    b"\\uD800",
    b"\\x00",
    b"nan",
    b"inf",
    b"1979-05-27T07:32:00",
    b"0x",
    b"credential:x",
    b'"../"',
    b'driver = "camera"\n',
    b'use = "window"',
    b"*",
    b"?",
    b"\xc3\xa4",
    b"\xef\xbb\xbf",
)
TARGETS: Final = (
    Target(
        name="compiler",
        about="files of a configuration: site, sharing, profiles",
        prepare=_compiler,
        seeds=_sites,
        words=_WORDS,
        everyday=20,
        longest=12_000,
    ),
    Target(
        name="places",
        about="lines and columns of TOML",
        prepare=pure(_places),
        seeds=_texts,
        words=_WORDS,
        everyday=200,
    ),
    Target(
        name="questions",
        about="questions on the control socket",
        prepare=_questions,
        everyday=200,
        longest=8000,
        seeds=lambda: [
            b'{"ask": "status"}',
            b'{"ask": "why", "name": "power", "recipient": "city"}',
            b'{"ask": "read", "points": ["m1", "m2.power"]}',
            b'{"ask": "links"}',
            b'{"ask": "metrics", "form": "open"}',
            b'{"ask": "tally", "link": "plant", "look": true}',
            b'{"ask": "probe", "link": "plant", "question": {"x": 1}}',
            b'{"ask": "ping"}',
        ],
        words=(
            b"[",
            b"{",
            b"null",
            b"1e999",
            b"NaN",
            b'"points":',
            b'"link":',
            b'"name":',
            b'"m1.power"',
            b"\\ud800",
        ),
    ),
)
