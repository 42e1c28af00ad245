"""Units as UCUM codes (``kW``, ``kW.h``, ``Cel``), what they measure, and conversion between them.

It knows the units that buildings, meters and city sensors speak, not the whole grammar, and refuses any
code that is not in the table: a unit that nobody checked is how kilowatts become watts.

Source: The Unified Code for Units of Measure, version 2.2 (ucum.org), case-sensitive codes. UCUM has no
volt-ampere for apparent power and no var; ``VA`` and ``var`` are those of RFC 8798.
"""

from __future__ import annotations

from difflib import get_close_matches
from typing import Final

from msgspec import Struct


class Unit(Struct, frozen=True):
    """A unit: what it measures, and ``base = value * factor + offset`` into that dimension's base unit."""

    dimension: str
    factor: float = 1.0
    offset: float = 0.0


_ENERGY: Final = 3600.0
_DAY: Final = 86400.0
_FAHRENHEIT: Final = 5 / 9

UNITS: Final[dict[str, Unit]] = {
    "1": Unit("number"),
    "%": Unit("number", 1e-2),
    "[ppth]": Unit("number", 1e-3),
    "[ppm]": Unit("number", 1e-6),
    "[ppb]": Unit("number", 1e-9),
    "mW": Unit("power", 1e-3),
    "W": Unit("power"),
    "kW": Unit("power", 1e3),
    "MW": Unit("power", 1e6),
    "J": Unit("energy"),
    "kJ": Unit("energy", 1e3),
    "MJ": Unit("energy", 1e6),
    "GJ": Unit("energy", 1e9),
    "W.h": Unit("energy", _ENERGY),
    "kW.h": Unit("energy", _ENERGY * 1e3),
    "MW.h": Unit("energy", _ENERGY * 1e6),
    "GW.h": Unit("energy", _ENERGY * 1e9),
    "VA": Unit("apparent power"),
    "kVA": Unit("apparent power", 1e3),
    "MVA": Unit("apparent power", 1e6),
    "VA.h": Unit("apparent energy"),
    "kVA.h": Unit("apparent energy", 1e3),
    "var": Unit("reactive power"),
    "kvar": Unit("reactive power", 1e3),
    "Mvar": Unit("reactive power", 1e6),
    "var.h": Unit("reactive energy"),
    "kvar.h": Unit("reactive energy", 1e3),
    "mV": Unit("voltage", 1e-3),
    "V": Unit("voltage"),
    "kV": Unit("voltage", 1e3),
    "mA": Unit("current", 1e-3),
    "A": Unit("current"),
    "kA": Unit("current", 1e3),
    "A.h": Unit("charge", 3600.0),
    "Ohm": Unit("resistance"),
    "kOhm": Unit("resistance", 1e3),
    "MOhm": Unit("resistance", 1e6),
    "S": Unit("conductance"),
    "uS/cm": Unit("conductivity", 1e-4),
    "Hz": Unit("frequency"),
    "kHz": Unit("frequency", 1e3),
    "/s": Unit("frequency"),
    "/min": Unit("frequency", 1 / 60),
    "/h": Unit("frequency", 1 / 3600),
    "K": Unit("temperature"),
    "Cel": Unit("temperature", 1.0, 273.15),
    "[degF]": Unit("temperature", _FAHRENHEIT, 459.67 * _FAHRENHEIT),
    "lx": Unit("illuminance"),
    "lm": Unit("luminous flux"),
    "cd/m2": Unit("luminance"),
    "W/m2": Unit("irradiance"),
    "Pa": Unit("pressure"),
    "hPa": Unit("pressure", 1e2),
    "kPa": Unit("pressure", 1e3),
    "MPa": Unit("pressure", 1e6),
    "mbar": Unit("pressure", 1e2),
    "bar": Unit("pressure", 1e5),
    "L": Unit("volume", 1e-3),
    "m3": Unit("volume"),
    "L/s": Unit("flow", 1e-3),
    "L/min": Unit("flow", 1e-3 / 60),
    "L/h": Unit("flow", 1e-3 / 3600),
    "m3/s": Unit("flow"),
    "m3/h": Unit("flow", 1 / 3600),
    "kg": Unit("mass"),
    "t": Unit("mass", 1e3),
    "kg/h": Unit("mass flow", 1 / 3600),
    "kg/s": Unit("mass flow"),
    "mm": Unit("length", 1e-3),
    "cm": Unit("length", 1e-2),
    "m": Unit("length"),
    "km": Unit("length", 1e3),
    "m2": Unit("area"),
    "m/s": Unit("speed"),
    "km/h": Unit("speed", 1 / 3.6),
    "mm/h": Unit("speed", 1e-3 / 3600),
    "deg": Unit("angle"),
    "ug/m3": Unit("mass concentration"),
    "mg/m3": Unit("mass concentration", 1e3),
    "g/m3": Unit("mass concentration", 1e6),
    "g/kg": Unit("humidity ratio"),
    "dB": Unit("level"),
    "[pH]": Unit("acidity"),
    "ms": Unit("time", 1e-3),
    "s": Unit("time"),
    "min": Unit("time", 60.0),
    "h": Unit("time", 3600.0),
    "d": Unit("time", _DAY),
    "wk": Unit("time", 7 * _DAY),
}

# What data sheets print, by what UCUM says.
_PRINTED: Final = {
    "": "1",
    "wh": "W.h",
    "kwh": "kW.h",
    "mwh": "MW.h",
    "kvarh": "kvar.h",
    "varh": "var.h",
    "kvah": "kVA.h",
    "v.a": "VA",
    "kv.a": "kVA",
    "c": "Cel",
    "°c": "Cel",
    "degc": "Cel",
    "celsius": "Cel",
    "f": "[degF]",
    "°f": "[degF]",
    "degf": "[degF]",
    "percent": "%",
    "%rh": "%",
    "ppm": "[ppm]",
    "ppb": "[ppb]",
    "lux": "lx",
    "ohm": "Ohm",
    "Ω": "Ohm",
    "ω": "Ohm",
    "m³": "m3",
    "m^3": "m3",
    "m³/h": "m3/h",
    "m^3/h": "m3/h",
    "l": "L",
    "l/s": "L/s",
    "l/min": "L/min",
    "l/h": "L/h",
    "µg/m³": "ug/m3",
    "μg/m³": "ug/m3",
    "µg/m3": "ug/m3",
    "w/m²": "W/m2",
    "rpm": "/min",
    "sec": "s",
    "minute": "min",
    "hour": "h",
    "day": "d",
    "week": "wk",
}


def known(code: str) -> bool:
    """Say whether *code* is a unit of the table."""
    return code in UNITS


def dimension(code: str) -> str:
    """Give what *code* measures, such as ``power``; raise ValueError for an unknown unit."""
    return _unit(code).dimension


def commensurable(one: str, other: str) -> bool:
    """Say whether both are known and measure the same, so that one converts into the other."""
    return one in UNITS and other in UNITS and UNITS[one].dimension == UNITS[other].dimension


def nearest(code: str, n: int = 3) -> tuple[str, ...]:
    """Suggest up to *n* known units for one that is not, the likeliest first."""
    folded = code.strip().casefold()
    by_fold = {one.casefold(): one for one in reversed(UNITS)}
    sure = [_PRINTED[folded]] if folded in _PRINTED else []
    close = [by_fold[one] for one in get_close_matches(folded, by_fold, n=n, cutoff=0.5)]
    return tuple(dict.fromkeys(sure + close))[:n]


def convert(value: float, from_: str, to: str) -> float:
    """Express *value* in another unit; raise ValueError if one is unknown or measures something else."""
    source, target = _pair(from_, to)
    if source is target:
        return value
    return (value * source.factor + (source.offset - target.offset)) / target.factor


def convert_difference(value: float, from_: str, to: str) -> float:
    """Express a difference in another unit: 9 [degF] of change are 5 Cel, whatever the zero points."""
    source, target = _pair(from_, to)
    return value if source is target else value * source.factor / target.factor


def _pair(from_: str, to: str) -> tuple[Unit, Unit]:
    source, target = _unit(from_), _unit(to)
    if source.dimension != target.dimension:
        raise ValueError(
            f'"{from_}" measures {source.dimension} and "{to}" {target.dimension}: no conversion'
        )
    return source, target


def _unit(code: str) -> Unit:
    if found := UNITS.get(code):
        return found
    hint = " or ".join(f'"{one}"' for one in nearest(code))
    raise ValueError(f'no unit is called "{code}"' + (f"; did you mean {hint}?" if hint else ""))
