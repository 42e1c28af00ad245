"""What particulate matter sensors say: mass concentrations out of their frames, in ug/m3.

Sources: Nova Fitness SDS011 specification V1.3 (frame of the active mode); Plantower PMS5003 and PMS7003
data manuals (appendix I: transport protocol, active mode; the length word 20 is that of the PMS3003).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from agent.core.driver import PointSettings, Reading
from agent.core.sample import Sample
from drivers.serial.fixed import FixedParser, Form, Verdict
from drivers.serial.hear import Beat, Heard

Decode = Callable[[bytes], Mapping[str, tuple[float, bytes]]]
"""Gives each point's value and the bytes it was made of."""

_SDS011_SIZE: Final = 10
_PMS_LENGTHS: Final = (20, 28)
_ADVICE: Final = (
    "bytes come, but no frame of a {name}: is it another sensor, or is the line disturbed or not 9600 8N1?"
)


class DustSensor:
    """One sensor."""

    def __init__(self, name: str, every: float, decode: Decode, known: Mapping[str, PointSettings]) -> None:
        self.name, self.every = name, every
        self.points = tuple(f"{name}.{one}" for one in known)
        self._decode, self._beat = decode, Beat(every)

    def hear(self, frame: bytes, at: float) -> Heard:
        """Give its concentrations."""
        readings = [
            Reading(Sample(f"{self.name}.{point}", value, at), raw.hex(" "))
            for point, (value, raw) in self._decode(frame).items()
        ]
        return Heard(readings, [one.sample for one in readings] if self._beat.due(at) else ())

    def missed(self) -> tuple[str, ...]:
        """All its points are in each frame."""
        return self.points


def sds011_parser() -> FixedParser:
    """Make the parser of an SDS011's stream."""
    form = Form(b"\xaa\xc0", 2, lambda _: _SDS011_SIZE, _judge_sds011)
    return FixedParser(form, _ADVICE.format(name="SDS011"))


def sds011_values(frame: bytes) -> Mapping[str, tuple[float, bytes]]:
    """Read PM2.5 and PM10: low byte first, in tenths."""
    return {
        "pm25": (int.from_bytes(frame[2:4], "little") / 10, frame[2:4]),
        "pm10": (int.from_bytes(frame[4:6], "little") / 10, frame[4:6]),
    }


def pms_parser() -> FixedParser:
    """Make the parser of a Plantower sensor's stream."""
    return FixedParser(Form(b"BM", 4, _pms_size, _judge_pms), _ADVICE.format(name="Plantower PMS"))


def pms_values(frame: bytes) -> Mapping[str, tuple[float, bytes]]:
    """Read the three concentrations "under atmospheric environment", high byte first."""
    fields = {"pm1": frame[10:12], "pm25": frame[12:14], "pm10": frame[14:16]}
    return {name: (float(int.from_bytes(raw, "big")), raw) for name, raw in fields.items()}


def _judge_sds011(frame: bytes) -> Verdict:
    if frame[9] != 0xAB:
        return "other"
    return "good" if sum(frame[2:8]) & 0xFF == frame[8] else "bad_checksum"


def _pms_size(head: bytes) -> int:
    length = int.from_bytes(head[2:4], "big")
    return length + 4 if length in _PMS_LENGTHS else 0


def _judge_pms(frame: bytes) -> Verdict:
    return "good" if sum(frame[:-2]) & 0xFFFF == int.from_bytes(frame[-2:], "big") else "bad_checksum"
