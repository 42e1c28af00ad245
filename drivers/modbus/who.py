"""Finds out what a unit is, with a few harmless reads: by profile, by SunSpec, by what it calls itself.

Each check of a profile is one request of exactly its own width, and what several profiles ask is asked once.
What a device calls itself never chooses a profile, since that is not what the profile promises; it is told to
the person instead.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, Final

from msgspec import Struct

from drivers.modbus.identify import Check, checks, text_of
from drivers.modbus.probe import Asker
from drivers.modbus.request import Answer, Fault, Request
from drivers.modbus.sunspec import Chain, described

WAIT: Final = 1.0
"""Seconds for a device that is known to be there."""

_STEM: Final = 24
_UNKNOWN: Final = "write its points; `citygate read --explore` tells what a register may mean"


class Kind(Struct, frozen=True):
    """A device type that can be recognised, or at least be named."""

    profile: str
    vendor: str
    model: str
    checks: tuple[Check, ...]


class Known(Struct, frozen=True):
    """What there is to recognise: device types, and the definitions of SunSpec models."""

    kinds: tuple[Kind, ...] = ()
    models: tuple[Mapping[str, Any], ...] = ()


class Who(Struct, frozen=True):
    """What a unit is: in words, as keys of its table, and what a person must still do."""

    what: str
    stem: str
    keys: Mapping[str, Any] = {}
    note: str = ""


def known(profiles: Mapping[str, Mapping[str, Any]], models: Sequence[Mapping[str, Any]]) -> Known:
    """Take from profiles what can be recognised; one that is faulty is left to `citygate check`."""
    return Known(tuple(_kind(name, table) for name, table in profiles.items()), tuple(models))


async def who(asker: Asker, unit: int, among: Known) -> Who:
    """Say what *unit*, which is there, is; raise GatewayError when the connection is lost."""
    fitting = await _fitting(asker, unit, among.kinds)
    if fitting:
        return _by_profile(fitting)

    async def ask(start: int, count: int) -> bytes | None:
        reply = await asker.ask(Request(unit, "holding", start, count), WAIT)
        return reply.data if isinstance(reply, Answer) else None

    if told := await described(ask, among.models):
        chain, points = told
        return _by_sunspec(chain, {one.name: one.keys for one in points if one.keys})
    named = await asker.identify(unit, WAIT)
    return _by_name(objects(named.data) if isinstance(named, Answer) else [], among.kinds)


def objects(data: bytes) -> list[str]:
    """Read the texts of an identification reply (vendor, product, version), as far as they are whole."""
    found, at = [], 0
    while at + 2 <= len(data) and at + 2 + data[at + 1] <= len(data):
        size = data[at + 1]
        if text := text_of(data[at + 2 : at + 2 + size]):
            found.append(text)
        at += 2 + size
    return found


async def _fitting(asker: Asker, unit: int, kinds: Sequence[Kind]) -> list[Kind]:
    """Give the types whose checks all fit; those with the most checks come first."""
    heard: dict[tuple[str, int, int], Answer | Fault] = {}
    fitting = []
    for kind in kinds:
        for check in kind.checks:
            key = (check.table, check.addr, check.count)
            if key not in heard:
                heard[key] = await asker.ask(Request(unit, check.table, check.addr, check.count), WAIT)
            reply = heard[key]
            if not isinstance(reply, Answer) or not check.fits(reply.data):
                break
        else:
            if kind.checks:
                fitting.append(kind)
    return sorted(fitting, key=lambda one: -len(one.checks))


def _by_profile(fitting: Sequence[Kind]) -> Who:
    one, *others = fitting
    note = f"{', '.join(other.profile for other in others)} would fit too" if others else ""
    return Who(f"{one.vendor} {one.model}", _slug(one.profile), {"profile": one.profile}, note)


def _by_sunspec(chain: Chain, points: Mapping[str, Mapping[str, Any]]) -> Who:
    texts = " ".join(text for text in (chain.maker, chain.model, chain.version) if text)
    note = "" if points else "none of its SunSpec models is known here, so its points must be written"
    whole = "" if chain.is_whole else "its chain of models has no end mark: there may be more points"
    return Who(
        f"{texts or 'a device without a name'} (SunSpec)",
        _slug(chain.model) or "sunspec",
        {"points": points} if points else {},
        note or whole,
    )


def _by_name(texts: Sequence[str], kinds: Sequence[Kind]) -> Who:
    what = " ".join(texts)
    if not what:
        return Who("an unknown device", "", {}, _UNKNOWN)
    alike = [one.profile for one in kinds if _is_named(one, what)]
    note = f"by its name, profile {' or '.join(alike)} may fit" if alike else "no profile fits by its name"
    return Who(what, _slug(texts[min(1, len(texts) - 1)]), {}, f"{note}; compare values with its display")


def _is_named(kind: Kind, what: str) -> bool:
    """Say whether the profile's model is part of what a device calls itself."""
    model = re.sub(r"[^a-z0-9]", "", kind.profile.partition("/")[2])
    return len(model) > 3 and model in re.sub(r"[^a-z0-9]", "", what.casefold())


def _kind(name: str, table: Mapping[str, Any]) -> Kind:
    about, identify = table.get("profile"), table.get("identify")
    texts = about if isinstance(about, dict) else {}
    found: tuple[Check, ...] = ()
    if isinstance(identify, dict) and all(isinstance(one, dict) for one in identify.values()):
        with suppress(ValueError):  # `citygate check` shows it where it is used
            found = checks(identify)
    vendor, _, model = name.partition("/")
    return Kind(name, str(texts.get("vendor", vendor)), str(texts.get("model", model)), found)


def _slug(text: str) -> str:
    """Make the begin of a device's name out of *text*."""
    return re.sub(r"[^a-z0-9]+", "-", text.rpartition("/")[2].casefold())[:_STEM].strip("-")
