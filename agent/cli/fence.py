"""Writes the drop-ins that open the units to what a configuration names, and to nothing else.

Names are looked up here, by whoever applies: a filter knows addresses only. What a name stands for later
is not followed; where a broker moves within a network, that network is given by hand.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from ipaddress import ip_network
from pathlib import Path
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from agent.cli.cage import drop_in
from agent.core.driver import CanBeWatched
from agent.core.errors import ConfigError
from agent.core.platform import CanRegister
from agent.core.secrets import PREFIX, sealed_folder
from agent.reach import VARIABLE, is_literal, wishes
from agent.registry import encoder
from agent.resources import resource

if TYPE_CHECKING:
    from agent.core.plan import Plan

Files = dict[str, str | None]  # below /etc/systemd/system; None: there must be none

GATEWAY: Final = "citygate.service"
VISION: Final = "citygate-vision.service"
SITE: Final = f"{GATEWAY}.d/50-site.conf"
CLOCK: Final = f"{GATEWAY}.d/50-chrony.conf"
CAMERAS: Final = f"{VISION}.d/cameras.conf"
_MADE: Final = "# made by `citygate apply`; do not edit, `systemctl edit` makes a drop-in of your own"
_NAMED: Final = re.compile(rf"{PREFIX}([\w.-]+)")
_ALSO: Final = re.compile(r"^# also (\S+)$", re.M)
_CHRONY: Final = (Path("/usr/sbin/chronyd"), Path("/usr/sbin/ntpd"))
_RESOLVERS: Final = Path("/etc/resolv.conf")
_KINDS: Final = ("ttyUSB", "ttyACM", "ttyAMA", "ttyS", "pts")


class Found(Struct, frozen=True, kw_only=True):
    """What stands behind the configuration's hosts: networks, by who needs them, and sentences to tell."""

    allowed: tuple[tuple[str, str], ...]
    names: tuple[str, ...]
    also: tuple[str, ...]
    told: tuple[str, ...]


def added(given: Sequence[str] | None, units: Path) -> tuple[str, ...]:
    """Give the networks that a person adds: those given now, else those given before."""
    if given is None:
        before = units / SITE
        return tuple(_ALSO.findall(before.read_text("utf-8"))) if before.is_file() else ()
    for one in given:
        if one != "none" and not is_literal(one):
            raise ConfigError(f'--also "{one}" is no network; write one such as 198.51.100.0/24')
    return tuple(str(ip_network(one, strict=False)) for one in given if one != "none")


def look_up(plan: Plan, also: tuple[str, ...]) -> Found:
    """Find the addresses of all hosts; a name that is not known is told and left out."""
    needs = wishes(plan)
    allowed, names, told = [], [], []
    for wish in needs.hosts:
        if is_literal(wish.host):
            allowed.append((wish.who, wish.host))
            continue
        addresses = _addresses(wish.host)
        names += [wish.host] if addresses else []
        allowed += [(f"{wish.who}: {wish.host}", one) for one in addresses]
        told.append(
            f"{wish.who}: {wish.host} is {', '.join(addresses)}"
            if addresses
            else f"{wish.who}: {wish.host} is not known to any name server now, and stays out of reach"
        )
    if names:
        allowed += [("name server", one) for one in _resolvers()]
    told += [
        f"{who}: its driver does not say what it needs; it stays closed in, "
        "and `citygate apply --also NET` opens a network"
        for who in needs.unknown
    ]
    told += _assigned_later(plan)
    return Found(
        allowed=tuple(dict.fromkeys(allowed)), names=tuple(dict.fromkeys(names)), also=also, told=tuple(told)
    )


def _assigned_later(plan: Plan) -> Iterator[str]:
    """Tell of each recipient whose broker somebody names only when it is called."""
    for one in plan.recipients:
        encoding = encoder(one, plan.place)
        if not one.proxy and isinstance(encoding, CanRegister) and encoding.registration() is not None:
            yield (
                f"recipient {one.name}: which broker its provisioning service gives it is not known here, so "
                "it stays out of reach; `citygate apply --also NET` opens its network"
            )


def files(plan: Plan, folder: Path, found: Found, installed: frozenset[str]) -> Files:
    """Give every drop-in as it must be for *plan*, for the units that are *installed*."""
    made: Files = {
        SITE: _site(plan, found, _cameras_own(plan) if VISION in installed else frozenset()),
        CLOCK: (resource("systemd") / "drop-ins/chrony.conf").read_text("utf-8")
        if any(one.exists() for one in _CHRONY)
        else None,
    }
    if VISION in installed:
        cameras = drop_in(plan, str(folder / "credentials")).replace(
            "# made by `citygate cage`; do not edit", _MADE
        )
        made[CAMERAS] = f"{_sealed_too(cameras)}\n" if watches(plan) else None
    return made


def watches(plan: Plan) -> bool:
    """Say whether there are cameras."""
    return any(isinstance(link.driver, CanBeWatched) for link in plan.links)


def _cameras_own(plan: Plan) -> frozenset[str]:
    """Name the secrets that nobody needs but the process that sees pictures."""
    watched = [one.driver for one in plan.links if isinstance(one.driver, CanBeWatched)]
    rest = [one.driver for one in plan.links if not isinstance(one.driver, CanBeWatched)]
    return frozenset(_NAMED.findall(repr(watched))) - set(_NAMED.findall(repr((rest, plan.recipients))))


def _site(plan: Plan, found: Found, not_ours: frozenset[str]) -> str:
    lines = [_MADE, *(f"# also {one}" for one in found.also), "[Service]"]
    lines += ["IPAddressDeny=any", "IPAddressAllow=localhost"]
    for who, host in found.allowed:
        lines += [f"# {who}", f"IPAddressAllow={host}"]
    lines += [f"IPAddressAllow={one}" for one in found.also]
    fence = dict.fromkeys([*(host for _, host in found.allowed), *found.names, *found.also])
    lines.append(f'Environment="{VARIABLE}={" ".join(fence)}"')
    if ports := wishes(plan).ports:
        lines += ["PrivateDevices=no", "SupplementaryGroups=dialout"]
        lines += [f"DeviceAllow=char-{kind} rw" for kind in _kinds(one.host for one in ports)]
    lines += [_handed(path) for path in sealed() if path.name not in not_ours]
    return "\n".join(lines) + "\n"


def sealed() -> list[Path]:
    """List the secrets that only this computer can open."""
    place = sealed_folder()
    return sorted(one for one in place.iterdir() if one.name[0] != ".") if place.is_dir() else []


def _handed(path: Path) -> str:
    """Have systemd hand a sealed secret over; it does so at a start alone, so a newer one is another text."""
    at = datetime.fromtimestamp(path.stat().st_mtime, UTC).isoformat()
    return f"# {path.name} as sealed on {at}\nLoadCredentialEncrypted={path.name}:{path}"


def _sealed_too(text: str) -> str:
    """Have a camera's credential come from the sealed one, where there is one."""
    names = {path.name: path for path in sealed()}

    def loaded(match: re.Match[str]) -> str:
        path = names.get(match[1])
        return _handed(path) if path else match[0]

    return re.sub(r"(?m)^LoadCredential=([^:]+):.*$", loaded, text)


def _kinds(ports: Iterable[str]) -> list[str]:
    """Give the kernel's names for the ports; one that is not plugged in may be any that USB has."""
    found = set()
    for port in ports:
        name = Path(port).resolve().name
        kind = next((one for one in _KINDS if name.startswith(one)), "")
        found |= {kind} if kind else {"ttyUSB", "ttyACM"}
    return sorted(found)


def _addresses(name: str) -> list[str]:
    try:
        found = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)
    except OSError:
        return []
    return sorted({str(one[4][0]).partition("%")[0] for one in found})


def _resolvers() -> list[str]:
    try:
        text = _RESOLVERS.read_text("utf-8")
    except OSError:
        return []
    return [one for one in re.findall(r"(?m)^nameserver\s+(\S+)", text) if is_literal(one)]
