"""Finds P1 telegrams in a stream of bytes and takes them apart into objects by OBIS code.

A telegram goes from ``/`` through ``!``; since DSMR 4 a CRC follows (CRC-16/ARC of all of it, in hex; a zero
in front may be missing). One that has none is taken only while none has been seen with one, only if it does
not call itself version 4 or later, only if each of its lines is in perfect form, and only if nothing but the
end of its last line follows, since that may be a damaged CRC. Sources: P1 Companion Standard 2.2, 3.0, 4.2
and 5.0.2 (Netbeheer Nederland); IEC 62056-21, 5.8 (``/`` and ``!`` stand nowhere else).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from msgspec import Struct

from drivers.serial.hear import Counts
from drivers.serial.source import CHUNK

LONGEST: Final = 16_384
"""Bytes that a telegram may have; real ones have at most a third of it."""

_HEADER: Final = re.compile(rb"/[A-Za-z]{3}[ -.0-~]{0,80}\r?\n")  # printable, but neither / nor !
_LONGEST_HEADER: Final = 86
_CHECKSUM: Final = re.compile(rb"[0-9A-Fa-f]{1,4}")
_LINE: Final = re.compile(r"(\d{1,3}-\d{1,3}:\d{1,3}\.\d{1,3}\.\d{1,3})(?:\*\d{1,3})?((?:\([ -'*-~]*\))+)")
_MORE: Final = re.compile(r"(?:\([ -'*-~]*\))+")
_VALUE: Final = re.compile(r"\(([^()]*)\)")
_VERSION: Final = "1-3:0.2.8"
_BARE_END: Final = re.compile(rb"[\r\n\0]+/|[\r\n\0]*\Z")
_MANY: Final = 512


class Telegram(Struct, frozen=True):
    """What a meter said: its identification, and the values in parentheses of each object by OBIS code."""

    ident: str
    objects: Mapping[str, tuple[str, ...]]


class TelegramParser:
    """Finds telegrams; see ``drivers.serial.hear.Parser``."""

    def __init__(self) -> None:
        self.counts = Counts()
        self._buffer = bytearray()
        self._seen = 0  # bytes of the buffer that hold no end
        self._has_checksums = False
        self._noise = b""  # the newest bytes since the last telegram, for the hint

    @property
    def hint(self) -> str:
        """What the bytes look like when no telegram comes."""
        waiting = len(self._buffer)
        if len(self._noise) + waiting < _MANY or (waiting and _HEADER.search(self._buffer)):
            return ""
        return advice((self._noise + bytes(self._buffer[-2 * _MANY :]))[-2 * _MANY :])

    def feed(self, data: bytes) -> list[Telegram]:
        """Take any bytes and give the telegrams that they complete."""
        found: list[Telegram] = []
        for begin in range(0, len(data), CHUNK):
            self._buffer += data[begin : begin + CHUNK]
            while (end := self._buffer.find(b"!", self._seen)) >= 0:
                checksum = self._checksum(end + 1)
                if checksum is None:
                    self._seen = end
                    break
                whole = bool(checksum or _BARE_END.match(self._buffer, end + 1))
                if telegram := self._judged(bytes(self._buffer[: end + 1]), checksum, whole=whole):
                    found.append(telegram)
                del self._buffer[: end + 1 + len(checksum)]
                self._seen = 0
            else:
                self._seen = len(self._buffer)
                self._forget()
        return found

    def _checksum(self, at: int) -> bytes | None:
        """Give the hex digits at *at*, at most four; None when more may still come."""
        match = _CHECKSUM.match(self._buffer, at)
        digits = match[0] if match else b""
        return digits if len(digits) == 4 or at + len(digits) < len(self._buffer) else None

    def _judged(self, data: bytes, checksum: bytes, *, whole: bool) -> Telegram | None:
        """Give the telegram that ends with *data*; what stands before its header was noise."""
        header = None
        for header in _HEADER.finditer(data):  # noqa: B007 - the last one: an earlier telegram broke off
            pass
        if header is None:
            self._is_noise(data)
            return None
        telegram = self._proven(data[header.start() :], checksum) if whole else None
        self.counts.malformed += not whole
        self._is_noise(data[: header.start()] if telegram else data)
        if telegram:
            self.counts.frames += 1
            self._has_checksums = self._has_checksums or bool(checksum)
            self._noise = b""
        return telegram

    def _proven(self, data: bytes, checksum: bytes) -> Telegram | None:
        """Give the telegram *data*, unless it is damaged, which is counted."""
        if checksum and int(checksum, 16) != crc16(data):
            self.counts.bad_checksum += 1
            return None
        telegram = parsed(data, strictly=not checksum) if len(data) <= LONGEST else None
        if telegram is None or (not checksum and self._should_have(telegram)):
            self.counts.malformed += 1
            return None
        return telegram

    def _should_have(self, telegram: Telegram) -> bool:
        """Say whether a telegram without checksum lost it: all since version 4 have one."""
        return self._has_checksums or _VERSION in telegram.objects

    def _forget(self) -> None:
        """Keep no more than what may become a telegram."""
        if len(self._buffer) <= 2 * LONGEST:
            return
        keep = len(self._buffer)
        for header in _HEADER.finditer(self._buffer):
            keep = header.start()
        if keep == len(self._buffer):  # the begin of a header may be the last that came
            last = self._buffer.rfind(b"/", max(0, keep - _LONGEST_HEADER))
            keep = last if last >= 0 else keep
        elif len(self._buffer) - keep > LONGEST:
            self.counts.malformed += 1
            keep = len(self._buffer)
        self._is_noise(bytes(self._buffer[:keep]))
        del self._buffer[:keep]
        self._seen = len(self._buffer)

    def _is_noise(self, data: bytes) -> None:
        data = data.strip(b"\r\n")  # a telegram ends with an empty line
        self.counts.noise_bytes += len(data)
        self._noise = (self._noise + data)[-2 * _MANY :]


def parsed(data: bytes, *, strictly: bool = False) -> Telegram | None:
    """Take a telegram (``/`` through ``!``) apart; None if it is none, or *strictly* and not perfect."""
    try:
        lines = data.decode("ascii").split("\n")
    except UnicodeDecodeError:
        return None
    objects: dict[str, tuple[str, ...]] = {}
    code = ""
    for number, line in enumerate(lines[1:], 1):
        text = line.removesuffix("\r")
        if match := _LINE.fullmatch(text):
            code = match[1]
            if code in objects and strictly:
                return None
            objects.setdefault(code, tuple(_VALUE.findall(match[2])))
        elif code and _MORE.fullmatch(text):  # before DSMR 4 a gas meter's value has a line of its own
            objects[code] += tuple(_VALUE.findall(text))
        elif strictly and text and not (number == len(lines) - 1 and text == "!"):
            return None
    return Telegram(lines[0].strip().removeprefix("/"), objects) if objects else None


def crc16(data: bytes) -> int:
    """Give CRC-16/ARC: polynomial 0x8005 reflected (0xA001), begun with 0."""
    crc = 0
    for byte in data:
        crc = crc >> 8 ^ _TABLE[(crc ^ byte) & 0xFF]
    return crc


def advice(noise: bytes) -> str:
    """Say what bytes look like that hold no telegram."""
    if _HEADER.search(bytes(byte & 0x7F for byte in noise)) and not _HEADER.search(noise):
        return 'the meter sends 7 bits with parity: write frame = "7E1" (and baud = 9600, as before DSMR 4)'
    if _HEADER.search(noise):
        return "telegrams come, but none arrives whole: look at the cable and its length"
    if b"\xdb\x08" in noise:
        return "the meter sends encrypted telegrams; they cannot be read here without its key"
    if b"\x7e\xa0" in noise or b"\x7e\xa1" in noise or b"\x7e\xa2" in noise:
        return "this is a HAN port that speaks HDLC, not P1"
    return (
        "bytes come, but no telegram: P1 is inverted, so the cable must invert it; and it is 115200 8N1, "
        "before DSMR 4 9600 7E1"
    )


def _table() -> tuple[int, ...]:
    table = []
    for byte in range(256):
        crc = byte
        for _ in range(8):
            crc = crc >> 1 ^ (0xA001 if crc & 1 else 0)
        table.append(crc)
    return tuple(table)


_TABLE: Final = _table()
