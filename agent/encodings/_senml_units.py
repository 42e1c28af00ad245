"""The units that SenML has names for, and how ours become them.

Source: the registry of RFC 8428, section 12.1, and the secondary units of RFC 8798.
"""

from __future__ import annotations

from typing import Final

from agent.core.units import UNITS, commensurable, convert, convert_difference

_SAME: Final = frozenset(
    {
        "m", "kg", "g", "s", "A", "K", "Hz", "rad", "N", "Pa", "J", "W", "V", "Ohm", "S", "lm", "lx", "Cel",
        "m2", "m3", "m/s", "m/s2", "m3/s", "W/m2", "cd/m2", "dB", "S/m", "VA", "var", "kg/m3", "deg", "L/s",
        "ms", "min", "h", "MHz", "kW", "kVA", "kvar", "mV", "mA", "ug/m3", "mm/h", "m/h", "hPa", "mm", "cm",
        "km", "km/h",
    }
)  # fmt: skip
_OTHER: Final = {
    "W.h": "Wh",
    "kW.h": "kWh",
    "var.h": "varh",
    "kvar.h": "kvarh",
    "kVA.h": "kVAh",
    "A.h": "Ah",
    "[ppm]": "ppm",
    "[ppth]": "/1000",
    "%": "/100",
    "L/s": "l/s",
    "L": "l",
    "[pH]": "pH",
}
_PERCENT: Final = {"relative_humidity": "%RH", "humidity": "%RH", "state_of_charge": "%EL", "battery": "%EL"}
_NAMES: Final = {**{one: one for one in _SAME}, **_OTHER}
_DIGITS: Final = 9


def expressed(value: float, unit: str, statistic: str, quantity: str) -> tuple[str, int | float]:
    """Give SenML's name of a unit, and the value in it; a unit that it cannot name has none."""
    if statistic == "share":
        return "/", value
    if unit == "%" and quantity in _PERCENT:
        return _PERCENT[quantity], value
    if unit in _NAMES:
        return _NAMES[unit], value
    if (other := _related(unit)) is None:
        return "", value
    change = convert_difference if statistic == "delta" else convert
    return _NAMES[other], _short(change(value, unit, other))


def _related(unit: str) -> str | None:
    """Give the nearest unit that has a name and measures the same."""
    if unit == "1" or unit not in UNITS:
        return None
    known = [one for one in _NAMES if one in UNITS and commensurable(one, unit)]
    factor = UNITS[unit].factor
    return min(known, key=lambda one: (abs(UNITS[one].factor / factor - 1), one), default=None)


def _short(value: float) -> int | float:
    number = float(f"{value:.{_DIGITS}g}")
    return int(number) if number.is_integer() else number
