"""Writes down what was found at a camera: every stream, and the table for the one that is worth it."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

from msgspec import Struct

from agent.core.search import Found, Missed
from agent.core.stream import parse
from drivers.cameras.onvif.asking import Facts, clock_text, is_off
from drivers.cameras.onvif.post import End
from drivers.cameras.onvif.streams import Stream, chosen

_NEXT = "next: paste this into the page of `citygate draw`, and draw over a still of this very stream"


class Proposal(Struct, frozen=True):
    """``known``: links that have a source already; ``words`` for the table; ``decode`` as measured here."""

    known: Mapping[str, str]
    words: Mapping[str, str]
    decode: float

    def of(self, end: End, facts: Facts) -> list[Found | Missed]:
        """Give all streams of the camera at *end*, one of them with its table."""
        best = chosen([stream for stream, _ in facts.streams])
        found: list[Found | Missed] = []
        if is_off(facts.off):
            assert facts.off is not None
            found.append(Missed(address=str(end), why=f"{clock_text(facts.off)}: give it a time server"))
        for stream, address in facts.streams:
            what = f"{facts.maker}, {stream.text(self.decode)}"
            if stream is not best:
                found.append(Found(address=str(end), what=what))
                continue
            source, notes = _source(address, end)
            if not source:
                found.append(Found(address=str(end), what=what, note=notes))
            elif source in self.known:
                note = f"the running gateway has it already: it is link {self.known[source]}"
                found.append(Found(address=str(end), what=what, note=note))
            else:
                found.append(self._proposed(end, what, stream, source, notes))
        return found

    def _proposed(self, end: End, what: str, stream: Stream, source: str, notes: str) -> Found:
        link: dict[str, Any] = {"driver": "camera", "source": source, **self.words}
        if stream.width and stream.height:
            link["picture"] = [stream.width, stream.height]
        return Found(
            address=str(end),
            what=f"{what}: this one",
            link=link,
            link_name=f"camera-{end.host}",
            note=". ".join(one for one in (notes, _NEXT) if one),
        )


def _source(address: str, end: End) -> tuple[str, str]:
    """Give the source for a stream's address, on the host that answered, and what is odd about it."""
    try:
        parts = urlsplit(address)
        port = parts.port or 554
        if parts.scheme != "rtsp" or not parts.hostname:
            return "", f"it cannot be counted: its address is {parts.scheme or 'no'} and not rtsp"
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        host = f"[{end.host}]" if ":" in end.host else end.host
        source = f"rtsp://{host}{'' if port == 554 else f':{port}'}{path}"
        parse(source)
    except ValueError as error:
        return "", f"it cannot be counted: its address is odd ({error})"
    if not source.isascii() or not source.isprintable() or len(source) > 500:
        return "", "it cannot be counted: its address has signs that none should have"
    return source, _doubts(parts.hostname, end)


def _doubts(host: str, end: End) -> str:
    try:
        own = str(ip_address(host)) == str(ip_address(end.host))
    except ValueError:
        own = False
    return "" if own else f"the camera calls itself {host[:60]}; the address that answered is written instead"
