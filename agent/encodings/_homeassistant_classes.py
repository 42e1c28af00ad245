"""What Home Assistant calls our units, and which device class and state class a figure has.

A class that does not allow the unit would be refused there, so a pair that is not in the table has none.
"""

from __future__ import annotations

from typing import Final

from agent.core.point import Kind, Point

_UNITS: Final = {
    "1": "", "Cel": "°C", "[degF]": "°F", "W.h": "Wh", "kW.h": "kWh", "MW.h": "MWh", "GW.h": "GWh",
    "var.h": "varh", "kvar.h": "kvarh", "[ppm]": "ppm", "[ppb]": "ppb", "ug/m3": "μg/m³", "mg/m3": "mg/m³",
    "g/m3": "g/m³", "m3": "m³", "m3/h": "m³/h", "m3/min": "m³/min", "m3/s": "m³/s", "W/m2": "W/m²",
    "m2": "m²", "mm[Hg]": "mmHg", "[in_i'Hg]": "inHg", "[psi]": "psi", "uS/cm": "μS/cm", "deg": "°",
    "/min": "rpm", "[lb_av]": "lb", "[ft_i]": "ft", "[mi_i]/h": "mph", "[cft_i]/min": "ft³/min",
    "m/s2": "m/s²", "Ohm": "Ω", "kOhm": "kΩ", "wk": "w", "[pH]": "",
}  # fmt: skip
_BY_UNIT: Final = {
    **dict.fromkeys(("mW", "W", "kW", "MW"), "power"),
    **dict.fromkeys(("J", "kJ", "MJ", "GJ", "Wh", "kWh", "MWh", "GWh"), "energy"),
    **dict.fromkeys(("VA", "kVA"), "apparent_power"),
    **dict.fromkeys(("var", "kvar"), "reactive_power"),
    **dict.fromkeys(("varh", "kvarh"), "reactive_energy"),
    **dict.fromkeys(("mV", "V", "kV", "MV"), "voltage"),
    **dict.fromkeys(("mA", "A"), "current"),
    **dict.fromkeys(("Hz", "kHz", "MHz"), "frequency"),
    **dict.fromkeys(("°C", "°F", "K"), "temperature"),
    **dict.fromkeys(("Pa", "hPa", "kPa", "bar", "mbar", "mmHg", "inHg", "psi"), "pressure"),
    **dict.fromkeys(("m³", "L", "mL"), "volume"),
    **dict.fromkeys(("m³/h", "m³/min", "m³/s", "L/h", "L/min", "L/s", "ft³/min", "mL/s"), "volume_flow_rate"),
    **dict.fromkeys(("mm", "cm", "m", "km", "ft"), "distance"),
    **dict.fromkeys(("mm/s", "m/s", "m/min", "km/h", "mph"), "speed"),
    **dict.fromkeys(("g", "kg", "lb"), "weight"),
    **dict.fromkeys(("ms", "s", "min", "h", "d"), "duration"),
    "lx": "illuminance",
    "W/m²": "irradiance",
    "dB": "sound_pressure",
    "μS/cm": "conductivity",
}
_BY_QUANTITY: Final = {
    ("relative_humidity", "%"): "humidity",
    ("humidity", "%"): "humidity",
    ("state_of_charge", "%"): "battery",
    ("battery", "%"): "battery",
    ("power_factor", ""): "power_factor",
    ("power_factor", "%"): "power_factor",
    ("co2", "ppm"): "carbon_dioxide",
    ("pm1", "μg/m³"): "pm1",
    ("pm25", "μg/m³"): "pm25",
    ("pm10", "μg/m³"): "pm10",
    ("no2", "μg/m³"): "nitrogen_dioxide",
    ("o3", "μg/m³"): "ozone",
    ("so2", "μg/m³"): "sulphur_dioxide",
    ("ph", ""): "ph",
}
# classes of amounts: they are added up, so they are no measurement
_AMOUNTS: Final = frozenset({"energy", "reactive_energy", "volume"})
_EITHER: Final = frozenset({"distance", "duration", "weight"})


def unit_of(point: Point, statistic: str) -> str:
    """Give the unit as Home Assistant writes it; empty: none."""
    return "" if statistic == "share" else _UNITS.get(point.unit, point.unit)


def state_class(point: Point, statistic: str) -> str:
    """Give how a figure combines over time: it was measured, it is a sum, or it only ever grows."""
    if statistic in ("sum", "delta"):
        return "total"
    if point.kind is Kind.COUNTER and statistic == "last":
        return "total_increasing"
    return "measurement"


def device_class(point: Point, statistic: str) -> str:
    """Give the device class; empty where there is none, or none that takes the unit and the state class."""
    if statistic == "share":
        return ""
    unit, way = unit_of(point, statistic), state_class(point, statistic)
    found = _BY_QUANTITY.get((point.quantity, unit)) or _BY_UNIT.get(unit, "")
    if found in _EITHER:
        return found
    return found if (found in _AMOUNTS) == (way != "measurement") else ""
