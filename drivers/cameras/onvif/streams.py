"""A camera's streams: what each costs to decode, and which of them is worth being counted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from msgspec import Struct

from drivers.cameras.onvif.tree import Node

USUAL: Final = 18.0
"""Milliseconds of one core for a second of 640x480 at 25 pictures a second (H.264, PyAV, x86-64)."""
_MEASURED: Final = 640 * 480 * 25
_DECODED: Final = ("H264", "H265", "JPEG", "MPEG4")
_LEAST: Final = (320, 240)  # below, a model has too little to see
_SLOWEST: Final = 4.0  # pictures a second; below, who walks fast is lost between two


class Stream(Struct, frozen=True, kw_only=True):
    """One stream as the camera tells of it; ``rate`` and sizes are 0 where it does not."""

    profile: str
    name: str
    encoding: str = ""
    width: int = 0
    height: int = 0
    rate: float = 0.0

    def cost(self, decode: float) -> float | None:
        """Give the share of a core that decoding takes, if 640x480 at 25 takes *decode* ms a second."""
        if self.encoding != "H264" or not self.width or not self.rate:
            return None  # nobody has measured others
        return decode / 1000 * self.width * self.height * self.rate / _MEASURED

    def text(self, decode: float) -> str:
        """Say what it is."""
        size = f" {self.width} x {self.height}" if self.width else ""
        rate = f", {self.rate:g} pictures a second" if self.rate else ""
        cost = self.cost(decode)
        share = f", decoding takes about {max(cost, 0.001):.1%} of a core" if cost is not None else ""
        return f"stream {self.name}: {self.encoding or 'nothing said of its encoding'}{size}{rate}{share}"


def streams_of(answer: Node) -> list[Stream]:
    """Give the streams of an answer to GetProfiles, the largest first."""
    found = [_stream(one) for one in answer.every("Profiles") if one.attributes.get("token")]
    return sorted(found, key=lambda one: -one.width * one.height)


def _stream(profile: Node) -> Stream:
    encoder = profile.find("VideoEncoderConfiguration") or Node("", {})
    token = profile.attributes["token"][:128]
    return Stream(
        profile=token,
        name=_plain(profile.word("Name") or token),
        encoding=_plain(encoder.word("Encoding").upper()),
        width=_size(encoder.number("Resolution", "Width")),
        height=_size(encoder.number("Resolution", "Height")),
        rate=min(max(encoder.number("RateControl", "FrameRateLimit") or 0.0, 0.0), 240.0),
    )


def chosen(streams: Sequence[Stream]) -> Stream | None:
    """Give the cheapest that still shows enough; else the largest that can be decoded."""
    usable = [one for one in streams if not one.encoding or one.encoding in _DECODED]
    enough = [
        one
        for one in usable
        if one.width >= _LEAST[0] and one.height >= _LEAST[1] and not 0 < one.rate < _SLOWEST
    ]
    # what nobody has measured comes behind what was
    enough.sort(key=lambda one: (one.encoding != "H264", one.width * one.height * (one.rate or 25)))
    return next(iter(enough or usable), None)


def _size(number: float | None) -> int:
    return int(number) if number and 0 < number < 20_000 else 0


def _plain(text: str) -> str:
    """Give a short text that fits into a comment."""
    return "".join(one for one in text if one.isprintable())[:40].strip()
