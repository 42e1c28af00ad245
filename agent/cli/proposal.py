"""Turns what a search found into the tables of a site, with names that are free and links that are shared.

A link or a device that the site has already is not proposed again.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import msgspec
from msgspec import Struct

from agent.core.driver import LinkSettings
from agent.core.plan import Link, Plan
from agent.core.search import Found
from agent.core.settings import decode_hook

_LONGEST: Final = 64
_BARE: Final = re.compile(r"[A-Za-z0-9_-]+")
_NO_ADDRESS: Final = frozenset(("profile", "points", "every", "driver"))


class Proposed(Struct, frozen=True):
    """A find with the names of its tables, and those tables as TOML; ``known``: the site has it already."""

    found: Found
    link: str
    device: str
    toml: str
    known: bool = False


def proposals(found: Sequence[Found], plan: Plan | None) -> list[Proposed]:
    """Write down all of *found*; *plan* is the site as it stands, if it can be read."""
    links = plan.links if plan else ()
    taken = {name for link in links for name in (link.name, *(one.name for one in _settings(link).devices))}
    shared: dict[str, str] = {}
    return [_proposed(one, links, taken, shared) for one in found]


def text_of(proposed: Iterable[Proposed]) -> str:
    """Put the tables into one text, a comment above each."""
    return "\n".join(one.toml for one in proposed)


def inline(keys: Mapping[str, Any]) -> str:
    """Write *keys* as an inline table."""
    return _value(keys)


def _proposed(found: Found, links: Sequence[Link], taken: set[str], shared: dict[str, str]) -> Proposed:
    head = [f"# {found.address}: {found.what}", *([f"# {found.note}"] if found.note else [])]
    head = [re.sub(r"[^ -~]", "?", line) for line in head]
    if not found.link and not found.on:
        return Proposed(found, "", "", "\n".join([*head, ""]))
    have = _link_of(found, links)
    if have and (device := _device_of(found, have)):
        head.append(f"# The site has it already: it is device {device} of link {have.name}.")
        return Proposed(found, have.name, device, "\n".join([*head, ""]), known=True)
    parts = ["\n".join(head)]
    link = have.name if have else found.on
    if not link:
        key = repr(sorted(found.link.items()))
        if key not in shared:
            shared[key] = _free(found.link_name, "link", taken)
            parts.append(_table(f"link.{shared[key]}", found.link))
        link = shared[key]
    name = ""
    if found.device is not None:
        name = _free(found.device_name, "device", taken)
        keys = {key: value for key, value in found.device.items() if key != "points"}
        parts.append(_table(f"device.{name}", {"link": link, **keys}))
        if points := found.device.get("points"):
            parts.append(_table(f"device.{name}.points", points))
    return Proposed(found, link, name, "\n".join(parts))


def _free(wish: str, else_: str, taken: set[str]) -> str:
    """Give a name like *wish* that nothing has yet, and take it."""
    base = re.sub(r"[^a-z0-9]+", "-", wish.casefold())[: _LONGEST - 4].strip("-") or else_
    name, number = base, 1
    while name in taken:
        number += 1
        name = f"{base}-{number}"
    taken.add(name)
    return name


def _link_of(found: Found, links: Sequence[Link]) -> Link | None:
    """Give the site's link that is the one of *found*."""
    if found.on:
        return next((link for link in links if link.name == found.on), None)
    kind = found.link.get("driver", "")
    alike = [link for link in links if link.kind == kind]
    return next((link for link in alike if _equal(found.link, link.driver, type(link.driver))), None)


def _device_of(found: Found, link: Link) -> str:
    """Name the device of *link* that has the address of *found*; empty: none."""
    if found.device is None:
        return link.name
    driver = _settings(link)
    kind = type(driver).device_type
    return next((str(one.name) for one in driver.devices if _equal(found.device, one, kind)), "")


def _settings(link: Link) -> LinkSettings:
    assert isinstance(link.driver, LinkSettings)
    return link.driver


def _equal(keys: Mapping[str, Any], known: object, kind: type[Any]) -> bool:
    """Say whether *known* has what *keys* say of an address."""
    own = {key: value for key, value in keys.items() if key not in _NO_ADDRESS}
    try:
        meant = msgspec.convert(own, kind, dec_hook=decode_hook)
    except msgspec.ValidationError:
        return False
    return all(getattr(meant, key) == getattr(known, key) for key in own)


def _table(name: str, keys: Mapping[str, Any]) -> str:
    lines = [f"{_key(key)} = {_value(value)}" for key, value in keys.items()]
    return "\n".join([f"[{name}]", *lines, ""])


def _key(text: str) -> str:
    return text if _BARE.fullmatch(text) else _value(text)


def _value(value: object) -> str:
    """Write a value as TOML."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, Mapping):
        return (
            f"{{ {', '.join(f'{_key(key)} = {_value(one)}' for key, one in value.items())} }}"
            if value
            else "{}"
        )
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_value, value))}]"
    text = str(value).replace("\\", "\\\\").replace('"', '\\"')
    return '"' + re.sub(r"[\x00-\x1f\x7f]", lambda sign: f"\\u{ord(sign[0]):04x}", text) + '"'
