"""Asks one camera what it is and which streams it has: a handful of questions, one after the other.

A camera refuses a token that is older than a few minutes by its own clock. So its clock is asked first, and
tokens are made by it; how far it is off is told, because that spoils more than a search.
"""

from __future__ import annotations

import secrets
from datetime import UTC, datetime
from typing import Final
from xml.sax.saxutils import escape

from msgspec import Struct

from agent.core.clock import Clock
from agent.core.errors import DriverError
from drivers.cameras.onvif import digest, soap
from drivers.cameras.onvif.post import End, Reply, post
from drivers.cameras.onvif.streams import Stream, streams_of
from drivers.cameras.onvif.tree import Node, XmlError, read

_MOST: Final = 16  # streams
_OFF: Final = 5.0  # seconds: with less, no camera minds
_REFUSED: Final = ("notauthorized", "failedauthentication", "unauthorized", "not authorized", "failedcheck")


class RefusedError(DriverError):
    """The camera does not believe who asks, or wants to know who does."""


class Facts(Struct, frozen=True, kw_only=True):
    """What a camera says of itself; ``off``: seconds by which its clock is ahead, if it tells."""

    maker: str
    streams: tuple[tuple[Stream, str], ...]
    off: float | None


class Camera:
    """One camera, as far as it can be asked."""

    def __init__(self, end: End, who: soap.Who | None, clock: Clock, wait: float) -> None:
        self.off: float | None = None
        self._device = end
        self._who = who
        self._clock = clock
        self._wait = wait

    async def facts(self) -> Facts:
        """Ask for everything; raise RefusedError or DriverError with the end of a sentence."""
        await self.look_at_clock()
        told = await self._ask("GetCapabilities", "<Category>Media</Category>")
        media = self._device.moved(told.word("Media", "XAddr") or "/onvif/media_service")
        who = await self._ask("GetDeviceInformation")
        maker = f"{who.word('Manufacturer')} {who.word('Model')}".strip()
        streams = streams_of(await self._ask("GetProfiles", at=media))[:_MOST]
        if not streams:
            raise DriverError("has no stream with a name; set one up on its own web page")
        found = [(one, await self._address(one, media)) for one in streams]
        return Facts(maker=_short(maker) or "camera", streams=tuple(found), off=self.off)

    async def look_at_clock(self) -> None:
        """Ask what time it is there, as a stranger; raise DriverError when nobody there speaks ONVIF."""
        reply = await self._post(self._device, soap.question("GetSystemDateAndTime", soap.DEVICE))
        try:
            utc = _time(read(reply.body))
        except XmlError:
            if reply.status != 401:  # a camera, that tells nothing to strangers
                raise DriverError(
                    "is there, but speaks no ONVIF; it may have to be turned on there"
                ) from None
            utc = None
        utc = reply.utc if utc is None else utc
        self.off = None if utc is None else utc - self._clock.now().utc

    async def _address(self, stream: Stream, media: End) -> str:
        setup = (
            "<StreamSetup><t:Stream>RTP-Unicast</t:Stream><t:Transport><t:Protocol>RTSP</t:Protocol>"
            f"</t:Transport></StreamSetup><ProfileToken>{escape(stream.profile)}</ProfileToken>"
        )
        return (await self._ask("GetStreamUri", setup, at=media)).word("MediaUri", "Uri")

    async def _ask(self, name: str, inside: str = "", at: End | None = None) -> Node:
        """Ask *name* of the device, or of its media service *at*."""
        space = soap.MEDIA if at else soap.DEVICE
        end = at or self._device
        token = ""
        if self._who:
            utc = self._clock.now().utc + (self.off or 0.0)
            token = soap.token(self._who, utc, secrets.token_bytes(16))
        body = soap.question(name, space, inside, token=token)
        reply = await self._post(end, body)
        if reply.status == 401 and reply.challenge and self._who:
            proof = digest.answer(reply.challenge, self._who, end.path, secrets.token_hex(8))
            reply = await self._post(end, soap.question(name, space, inside), proof) if proof else reply
        return self._understood(name, reply)

    def _understood(self, name: str, reply: Reply) -> Node:
        try:
            answer = read(reply.body)
        except XmlError as error:
            if reply.status == 401:
                raise RefusedError(self._refusal()) from None
            raise DriverError(f"answers {name} with status {reply.status}, and {error}") from None
        if reply.status == 401 or _is_refusal(answer):
            raise RefusedError(self._refusal())
        if (fault := answer.find("Fault")) is not None:
            raise DriverError(f"refuses {name}: {_short(fault.word('Text')) or 'it does not say why'}")
        found = answer.find(f"{name}Response")
        if found is None:
            raise DriverError(f"answers {name} with something else")
        return found

    async def _post(self, end: End, body: bytes, proof: str = "") -> Reply:
        return await post(end, body, self._wait, proof)

    def _refusal(self) -> str:
        """Say why it may not believe us: mostly the password, and often the clock."""
        if self._who is None:
            return (
                "wants to know who asks: name its address alone, with --user and --password credential:NAME"
            )
        if self.off is None:
            return (
                "refuses this user or password; it does not tell its time, and if its clock differs from this"
                " gateway's by minutes, it refuses everybody: compare the two on its web page"
            )
        if abs(self.off) < _OFF:
            return "refuses this user or password; ONVIF users are often a list of their own on its web page"
        return (
            f"refuses this user or password, and {clock_text(self.off)}: ONVIF refuses whoever's clock"
            " differs. Give the camera a time server first, then try the password again"
        )


def clock_text(off: float) -> str:
    """Say how far a camera's clock is from ours."""
    seconds = round(abs(off)) if abs(off) < 3600 else round(abs(off) / 60) * 60
    hours, minutes = seconds // 3600, seconds % 3600 // 60
    days, hours = hours // 24, hours % 24
    parts = [(days, "d"), (hours, "h"), (minutes, "min"), (seconds % 60, "s")]
    first = next((place for place, (number, _) in enumerate(parts) if number), 3)
    largest = [f"{number} {unit}" for number, unit in parts[first : first + 2] if number]
    return f"its clock is {' '.join(largest)} {'ahead of' if off > 0 else 'behind'} this gateway's"


def is_off(off: float | None) -> bool:
    """Say whether a person should set the clock."""
    return off is not None and abs(off) >= _OFF


def _is_refusal(answer: Node) -> bool:
    fault = answer.find("Fault")
    if fault is None:
        return False
    words = " ".join(
        one.text for name in ("Value", "Text", "faultcode", "faultstring") for one in fault.every(name)
    )
    return any(one in words.casefold() for one in _REFUSED)


def _time(answer: Node) -> float | None:
    """Give the UTC time of an answer to GetSystemDateAndTime."""
    told = answer.find("UTCDateTime")
    if told is None:
        return None
    numbers = [told.number("Date", one) for one in ("Year", "Month", "Day")]
    numbers += [told.number("Time", one) for one in ("Hour", "Minute", "Second")]
    whole = [int(one) for one in numbers if one is not None]
    try:
        return datetime(*whole, tzinfo=UTC).timestamp() if len(whole) == 6 else None  # type: ignore[misc, arg-type]
    except (ValueError, OverflowError):
        return None


def _short(text: str) -> str:
    return "".join(one for one in text if one.isprintable())[:80].strip()
