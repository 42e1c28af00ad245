"""Units as UCUM codes (``kW``, ``kW.h``, ``Cel``), what they measure, and conversion between them.

It knows the units that buildings, meters and city sensors speak, not the whole grammar, and refuses any
code that is not in the table: a unit that nobody checked is how kilowatts become watts.

Source: The Unified Code for Units of Measure, version 2.2 (ucum.org), case-sensitive codes. UCUM has no
volt-ampere for apparent power and no var; ``VA`` and ``var`` are those of RFC 8798.
"""

from __future__ import annotations

from math import pi
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
_BTU: Final = 1055.05585262  # International Table, that of ASHRAE
_INCH: Final = 0.0254
_FOOT: Final = 12 * _INCH
_POUND: Final = 0.45359237
_POUND_FORCE: Final = _POUND * 9.80665
_GALLON: Final = 231 * _INCH**3
_GALLON_BRITISH: Final = 4.54609e-3
_WATER: Final = 9806.65  # pressure of one metre of it, in Pa
_MERCURY: Final = 133322.0

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
    "[HP]": Unit("power", 550 * _POUND_FORCE * _FOOT),
    "[Btu_IT]/h": Unit("power", _BTU / 3600),
    "J": Unit("energy"),
    "kJ": Unit("energy", 1e3),
    "MJ": Unit("energy", 1e6),
    "GJ": Unit("energy", 1e9),
    "W.h": Unit("energy", _ENERGY),
    "kW.h": Unit("energy", _ENERGY * 1e3),
    "MW.h": Unit("energy", _ENERGY * 1e6),
    "GW.h": Unit("energy", _ENERGY * 1e9),
    "[Btu_IT]": Unit("energy", _BTU),
    "J/kg": Unit("specific energy"),
    "kJ/kg": Unit("specific energy", 1e3),
    "MJ/kg": Unit("specific energy", 1e6),
    "[Btu_IT]/[lb_av]": Unit("specific energy", _BTU / _POUND),
    "MJ/m2": Unit("energy per area", 1e6),
    "kW.h/m2": Unit("energy per area", _ENERGY * 1e3),
    "VA": Unit("apparent power"),
    "kVA": Unit("apparent power", 1e3),
    "MVA": Unit("apparent power", 1e6),
    "VA.h": Unit("apparent energy"),
    "kVA.h": Unit("apparent energy", 1e3),
    "MVA.h": Unit("apparent energy", 1e6),
    "var": Unit("reactive power"),
    "kvar": Unit("reactive power", 1e3),
    "Mvar": Unit("reactive power", 1e6),
    "var.h": Unit("reactive energy"),
    "kvar.h": Unit("reactive energy", 1e3),
    "Mvar.h": Unit("reactive energy", 1e6),
    "mV": Unit("voltage", 1e-3),
    "V": Unit("voltage"),
    "kV": Unit("voltage", 1e3),
    "MV": Unit("voltage", 1e6),
    "mA": Unit("current", 1e-3),
    "A": Unit("current"),
    "kA": Unit("current", 1e3),
    "A.h": Unit("charge", 3600.0),
    "mOhm": Unit("resistance", 1e-3),
    "Ohm": Unit("resistance"),
    "kOhm": Unit("resistance", 1e3),
    "MOhm": Unit("resistance", 1e6),
    "uS": Unit("conductance", 1e-6),
    "mS": Unit("conductance", 1e-3),
    "S": Unit("conductance"),
    "S/m": Unit("conductivity"),
    "uS/cm": Unit("conductivity", 1e-4),
    "Hz": Unit("frequency"),
    "kHz": Unit("frequency", 1e3),
    "MHz": Unit("frequency", 1e6),
    "/s": Unit("frequency"),
    "/min": Unit("frequency", 1 / 60),
    "/h": Unit("frequency", 1 / 3600),
    "K": Unit("temperature"),
    "Cel": Unit("temperature", 1.0, 273.15),
    "[degF]": Unit("temperature", _FAHRENHEIT, 459.67 * _FAHRENHEIT),
    "K/min": Unit("temperature change", 1 / 60),
    "K/h": Unit("temperature change", 1 / 3600),
    "K.d": Unit("degree days"),
    "J/K": Unit("heat capacity"),
    "kJ/K": Unit("heat capacity", 1e3),
    "MJ/K": Unit("heat capacity", 1e6),
    "W/m2/K": Unit("heat transfer"),
    "lx": Unit("illuminance"),
    "lm/[sft_i]": Unit("illuminance", 1 / _FOOT**2),
    "lm": Unit("luminous flux"),
    "cd/m2": Unit("luminance"),
    "W/m2": Unit("irradiance"),
    "W/[sft_i]": Unit("irradiance", 1 / _FOOT**2),
    "%/m": Unit("obscuration"),
    "%/[ft_i]": Unit("obscuration", 1 / _FOOT),
    "Pa": Unit("pressure"),
    "hPa": Unit("pressure", 1e2),
    "kPa": Unit("pressure", 1e3),
    "MPa": Unit("pressure", 1e6),
    "mbar": Unit("pressure", 1e2),
    "bar": Unit("pressure", 1e5),
    "mm[H2O]": Unit("pressure", _WATER * 1e-3),
    "cm[H2O]": Unit("pressure", _WATER * 1e-2),
    "[in_i'H2O]": Unit("pressure", _WATER * _INCH),
    "mm[Hg]": Unit("pressure", _MERCURY * 1e-3),
    "cm[Hg]": Unit("pressure", _MERCURY * 1e-2),
    "[in_i'Hg]": Unit("pressure", _MERCURY * _INCH),
    "[psi]": Unit("pressure", _POUND_FORCE / _INCH**2),
    "mL": Unit("volume", 1e-6),
    "L": Unit("volume", 1e-3),
    "m3": Unit("volume"),
    "[cft_i]": Unit("volume", _FOOT**3),
    "[gal_us]": Unit("volume", _GALLON),
    "[gal_br]": Unit("volume", _GALLON_BRITISH),
    "mL/s": Unit("flow", 1e-6),
    "L/s": Unit("flow", 1e-3),
    "L/min": Unit("flow", 1e-3 / 60),
    "L/h": Unit("flow", 1e-3 / 3600),
    "m3/s": Unit("flow"),
    "m3/min": Unit("flow", 1 / 60),
    "m3/h": Unit("flow", 1 / 3600),
    "m3/d": Unit("flow", 1 / _DAY),
    "[cft_i]/s": Unit("flow", _FOOT**3),
    "[cft_i]/min": Unit("flow", _FOOT**3 / 60),
    "[cft_i]/h": Unit("flow", _FOOT**3 / 3600),
    "[cft_i]/d": Unit("flow", _FOOT**3 / _DAY),
    "[gal_us]/min": Unit("flow", _GALLON / 60),
    "[gal_us]/h": Unit("flow", _GALLON / 3600),
    "[gal_br]/min": Unit("flow", _GALLON_BRITISH / 60),
    "mg": Unit("mass", 1e-6),
    "g": Unit("mass", 1e-3),
    "kg": Unit("mass"),
    "t": Unit("mass", 1e3),
    "[lb_av]": Unit("mass", _POUND),
    "g/min": Unit("mass flow", 1e-3 / 60),
    "g/s": Unit("mass flow", 1e-3),
    "kg/h": Unit("mass flow", 1 / 3600),
    "kg/min": Unit("mass flow", 1 / 60),
    "kg/s": Unit("mass flow"),
    "[lb_av]/h": Unit("mass flow", _POUND / 3600),
    "[lb_av]/min": Unit("mass flow", _POUND / 60),
    "[lb_av]/s": Unit("mass flow", _POUND),
    "um": Unit("length", 1e-6),
    "mm": Unit("length", 1e-3),
    "cm": Unit("length", 1e-2),
    "m": Unit("length"),
    "km": Unit("length", 1e3),
    "[in_i]": Unit("length", _INCH),
    "[ft_i]": Unit("length", _FOOT),
    "cm2": Unit("area", 1e-4),
    "m2": Unit("area"),
    "[sin_i]": Unit("area", _INCH**2),
    "[sft_i]": Unit("area", _FOOT**2),
    "mm/s": Unit("speed", 1e-3),
    "m/s": Unit("speed"),
    "m/min": Unit("speed", 1 / 60),
    "m/h": Unit("speed", 1 / 3600),
    "km/h": Unit("speed", 1 / 3.6),
    "mm/h": Unit("speed", 1e-3 / 3600),
    "mm/min": Unit("speed", 1e-3 / 60),
    "[ft_i]/s": Unit("speed", _FOOT),
    "[ft_i]/min": Unit("speed", _FOOT / 60),
    "[mi_i]/h": Unit("speed", 5280 * _FOOT / 3600),
    "m/s2": Unit("acceleration"),
    "deg": Unit("angle"),
    "rad": Unit("angle", 180 / pi),
    "N": Unit("force"),
    "N.m": Unit("torque"),
    "ng/m3": Unit("mass concentration", 1e-3),
    "ug/m3": Unit("mass concentration"),
    "mg/m3": Unit("mass concentration", 1e3),
    "g/m3": Unit("mass concentration", 1e6),
    "kg/m3": Unit("mass concentration", 1e9),
    "ug/L": Unit("mass concentration", 1e3),
    "mg/L": Unit("mass concentration", 1e6),
    "g/L": Unit("mass concentration", 1e9),
    "g/kg": Unit("humidity ratio"),
    "dB": Unit("level"),
    "[pH]": Unit("acidity"),
    "uSv/h": Unit("dose rate"),
    "ms": Unit("time", 1e-3),
    "cs": Unit("time", 1e-2),
    "s": Unit("time"),
    "min": Unit("time", 60.0),
    "h": Unit("time", 3600.0),
    "d": Unit("time", _DAY),
    "wk": Unit("time", 7 * _DAY),
    "mo": Unit("time", 30.4375 * _DAY),
    "a": Unit("time", 365.25 * _DAY),
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
    "psi": "[psi]",
    "cfm": "[cft_i]/min",
    "gpm": "[gal_us]/min",
    "inh2o": "[in_i'H2O]",
    "inhg": "[in_i'Hg]",
    "mmhg": "mm[Hg]",
    "btu": "[Btu_IT]",
    "btu/h": "[Btu_IT]/h",
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
    from difflib import get_close_matches  # only somebody who made a mistake waits for it

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
