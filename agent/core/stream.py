"""Where a camera's pictures come from, as ``source`` says it; both sides of the socket read it alike.

Addresses are literals: who looks at pictures has no way to ask for a name.
"""

from __future__ import annotations

from ipaddress import ip_address
from typing import Final, Literal
from urllib.parse import quote, urlsplit

from msgspec import Struct

Kind = Literal["rtsp", "http", "usb", "file"]
_PORTS: Final[dict[str, int]] = {"rtsp": 554, "http": 80}
_WAYS: Final = (
    'write "rtsp://10.30.0.7/stream2", "http://10.30.0.7/mjpeg", "/dev/video0" or "file:/path/of/a/clip.mp4"'
)


class Stream(Struct, frozen=True, kw_only=True):
    """One source; ``host`` and ``port`` of those on the network, ``path`` of the others."""

    kind: Kind
    host: str = ""
    port: int = 0
    path: str = ""

    @property
    def is_local(self) -> bool:
        """Say whether it is a file, or on this computer's own loopback."""
        return self.kind == "file" or (bool(self.host) and ip_address(self.host).is_loopback)

    def url(self, user: str = "", password: str = "") -> str:
        """Give what a reader opens."""
        if not self.host:
            return self.path
        host = f"[{self.host}]" if ":" in self.host else self.host
        who = f"{quote(user, safe='')}:{quote(password, safe='')}@" if user else ""
        return f"{self.kind}://{who}{host}:{self.port}{self.path}"


def parse(text: str) -> Stream:
    """Read *text*; raise ValueError with a sentence when it is no source."""
    if text.startswith("/dev/"):
        return Stream(kind="usb", path=text)
    if text.startswith("file:/"):
        return Stream(kind="file", path=text.removeprefix("file:"))
    if text.startswith("/"):
        raise ValueError(f'a clip is written "file:{text}"')
    parts = urlsplit(text)
    if parts.scheme in ("rtsps", "https"):
        raise ValueError(f"{parts.scheme} is not supported: write {parts.scheme[:-1]}://")
    if parts.scheme not in _PORTS:
        raise ValueError(f'"{text}" is no source of pictures; {_WAYS}')
    return Stream(
        kind="rtsp" if parts.scheme == "rtsp" else "http",
        host=_literal(parts.hostname or ""),
        port=_port(parts.port, parts.scheme),
        path=(parts.path or "/") + (f"?{parts.query}" if parts.query else ""),
    )


def _literal(host: str) -> str:
    try:
        return str(ip_address(host))
    except ValueError:
        raise ValueError(
            f'"{host}" is no address in figures: a camera is given as 10.30.0.7, because the process that '
            "sees its pictures cannot ask for names"
        ) from None


def _port(port: int | None, scheme: str) -> int:
    return _PORTS[scheme] if port is None else port
