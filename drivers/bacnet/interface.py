"""Where on this computer a BACnet link lives: its address, its broadcast address, and its sockets.

It refuses to share a port: two programs that both listen on 47808 each get a part of the answers, and
neither knows it. Broadcasts are heard on sockets of their own, because Linux gives them to no socket that
is bound to one address.
"""

from __future__ import annotations

import errno
import fcntl
import ipaddress
import socket
import struct
from contextlib import suppress
from pathlib import Path
from typing import Final

from msgspec import Struct

from agent.core.errors import DriverError

_ADDRESS_OF: Final = 0x8915  # SIOCGIFADDR
_NETMASK_OF: Final = 0x891B  # SIOCGIFNETMASK
_BUFFER: Final = 4 << 20
_FORCED: Final = 33  # SO_RCVBUFFORCE: beyond the limit, for those who may
_SOON: Final = 15.0
_CARDS: Final = Path("/sys/class/net")
_EVERYBODY: Final = "255.255.255.255"


class Interface(Struct, frozen=True):
    """An address of this computer and the one by which all its neighbours are reached (empty: none)."""

    host: str
    broadcast: str = ""


class Sockets(Struct, frozen=True):
    """One socket to speak and be spoken to, and those that hear broadcasts."""

    main: socket.socket
    ears: tuple[socket.socket, ...]

    def close(self) -> None:
        """Give all of them back."""
        for one in (self.main, *self.ears):
            one.close()


def check(text: str) -> None:
    """Raise ValueError if *text* cannot name an interface: an address with or without prefix, or a name."""
    if not text or "/" in text or text[0].isdigit():
        try:
            ipaddress.IPv4Interface(text)
        except ValueError:
            raise ValueError(
                f'"{text}" is no address of this computer: write it with its prefix ("10.20.0.2/24"), '
                'or the name of the network card ("eth0")'
            ) from None


def find(text: str) -> Interface:
    """Find the interface that *text* names; raise DriverError if it has no address."""
    if "/" in text:
        return _with(ipaddress.IPv4Interface(text))
    if text[0].isdigit():
        for name in _cards():
            if (found := _of(name)) is not None and str(found.ip) == text:
                return _with(found)
        return Interface(text)
    found = _of(text)
    if found is None:
        known = ", ".join(_cards())
        raise DriverError(
            f"network card {text} has no IPv4 address; is its cable in, and is it one of {known}?",
            patience=_SOON,
        )
    return _with(found)


def network(text: str) -> str:
    """Give the network of the interface that *text* names; raise DriverError if it has no address."""
    if "/" in text:
        return str(ipaddress.IPv4Interface(text).network)
    for name in [text] if not text[0].isdigit() else _cards():
        if (found := _of(name)) is not None and text in (name, str(found.ip)):
            return str(found.network)
    return f"{find(text).host}/32"


def only() -> str:
    """Name the only network card with an address, loopback aside; raise DriverError if it is not one."""
    named = _cards()
    found = [name for name in named if (one := _of(name)) is not None and not one.ip.is_loopback]
    if len(found) == 1:
        return found[0]
    what = f"it may be {' or '.join(found)}" if found else f"no network card has one: {', '.join(named)}"
    raise DriverError(f"say by which address of this computer the devices are reached (interface): {what}")


def _cards() -> list[str]:
    """Name the network cards; the C library would ask over netlink, which a confined service may not."""
    try:
        return sorted(one.name for one in _CARDS.iterdir())
    except OSError:
        return []


def _with(found: ipaddress.IPv4Interface) -> Interface:
    if found.network.prefixlen >= 31:
        return Interface(str(found.ip))
    return Interface(str(found.ip), str(found.network.broadcast_address))


def _of(name: str) -> ipaddress.IPv4Interface | None:
    asked = struct.pack("256s", name.encode()[:15])
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            parts = [fcntl.ioctl(probe, what, asked)[20:24] for what in (_ADDRESS_OF, _NETMASK_OF)]
        except OSError:
            return None
    address, mask = (socket.inet_ntoa(part) for part in parts)
    return ipaddress.IPv4Interface(f"{address}/{mask}")


def is_ours(host: str) -> bool:
    """Say whether this computer has the address *host*."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind((host, 0))
        except OSError:
            return False
    return True


def open_sockets(where: Interface, port: int) -> Sockets:
    """Bind *port* (0: any free one) there; raise DriverError in a sentence when that cannot be."""
    main = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        main.setblocking(False)
        main.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        _enlarge(main)
        main.bind((where.host, port))
    except OSError as error:
        main.close()
        raise DriverError(_sentence(error, where.host, port), patience=_SOON) from error
    ears = [] if not port or not where.broadcast else _ears(where, port)
    return Sockets(main, tuple(ears))


def _ears(where: Interface, port: int) -> list[socket.socket]:
    """Open what hears broadcasts to the subnet, and to everybody; none where the first is taken."""
    ears: list[socket.socket] = []
    for host in dict.fromkeys((where.broadcast, _EVERYBODY)):
        ear = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            ear.setblocking(False)
            for shared in (socket.SO_REUSEADDR, socket.SO_REUSEPORT):  # each hears every broadcast
                ear.setsockopt(socket.SOL_SOCKET, shared, 1)
            _enlarge(ear)
            ear.bind((host, port))
            ears.append(ear)
        except OSError:
            ear.close()  # the link works without: devices can have an address
            if not ears:
                break
    return ears


def _enlarge(one: socket.socket) -> None:
    """Let bursts of notifications wait in the kernel rather than be lost."""
    with suppress(OSError):
        one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER)
        one.setsockopt(socket.SOL_SOCKET, _FORCED, _BUFFER)


def _sentence(error: OSError, host: str, port: int) -> str:
    if error.errno == errno.EADDRINUSE:
        return (
            f"port {port} of {host} is taken by another program; stop that one "
            f"(ss -ulpn 'sport = :{port}' names it), or give this link another port or interface"
        )
    if error.errno == errno.EADDRNOTAVAIL:
        return f"this computer has not the address {host}; is the interface right, and is its cable in?"
    return f"port {port} of {host} cannot be opened: {error.strerror or error}"
