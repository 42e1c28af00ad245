"""Looks for the units behind one Modbus TCP endpoint.

Each unit number is asked for one register: any answer, a refusal too, shows a device, which is then asked
who it is. Bounded: 247 numbers and a short wait for each that is silent. Source: MODBUS
Application Protocol Specification V1.1b3, §6.21 (Read Device Identification).
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Final, Protocol

from agent.core.driver import Found
from drivers.modbus.request import Answer, Fault, Request

_UNITS: Final = range(1, 248)
_RESERVED: Final = (251, 253)  # no serial device may have these numbers: who answers them answers to any
_PROGRESS: Final = 16
_NAMING: Final = 1.0


class Link(Protocol):
    """What a scan needs of a link."""

    async def ask(self, request: Request, timeout: float | None = None) -> Answer | Fault:  # noqa: ASYNC109
        """Read once."""
        ...

    async def identify(self, unit: int, timeout: float) -> Answer | Fault:  # noqa: ASYNC109
        """Ask for the device identification."""
        ...


async def scan(link: Link, name: str, wait: float) -> AsyncGenerator[Found]:
    """Give each unit that answers; every 16 silent numbers a Found without TOML tells how far it is.

    *name* is the link's, for the TOML; *wait* the seconds that an answer may take.
    """
    if all([await _look(link, unit, wait) is not None for unit in _RESERVED]):
        one = await _look(link, 1, wait) or "a device"
        yield Found(address="any unit", what=f"{one}; answers to every unit number", toml=_toml(name, 1))
        return
    silent = 0
    for unit in _UNITS:
        what = await _look(link, unit, wait)
        silent = 0 if what else silent + 1
        if what:
            yield Found(address=f"unit {unit}", what=what, toml=_toml(name, unit))
        elif silent % _PROGRESS == 0:
            yield Found(address=f"units {unit - _PROGRESS + 1} to {unit}", what="no answer")


async def _look(link: Link, unit: int, wait: float) -> str | None:
    """Say what unit *unit* is; None: nobody there."""
    reply = await link.ask(Request(unit, "holding", 0, 1), wait)
    if isinstance(reply, Fault) and reply.silent:
        return None
    named = await link.identify(unit, _NAMING)
    texts = objects(named.data) if isinstance(named, Answer) else []
    return " ".join(texts) or "a device without identification"


def objects(data: bytes) -> list[str]:
    """Read the texts of an identification reply (vendor, product, version), as far as they are whole."""
    found, at = [], 0
    while at + 2 <= len(data) and at + 2 + data[at + 1] <= len(data):
        size = data[at + 1]
        text = data[at + 2 : at + 2 + size].decode("ascii", "replace").strip("\0 ")
        if text:
            found.append("".join(sign if sign.isprintable() else "?" for sign in text))
        at += 2 + size
    return found


def _toml(name: str, unit: int) -> str:
    return f'[device.unit-{unit}]\nlink = "{name or "LINK"}"\nunit = {unit}\nprofile = ""\n'
