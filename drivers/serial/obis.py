"""The points that P1 meters are known to have: their OBIS codes, units and kinds.

A code stands here without medium and channel where countries disagree about them. Sources: P1 Companion
Standard 5.0.2, 6.12 and annex (Netbeheer Nederland); e-MUCS P1 1.7.1 (Fluvius); IEC 62056-6-1 (OBIS);
Energiföretagen, "Lokalt kundgränssnitt för elmätare"; EN 13757-3, table 8 (M-Bus device types).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from msgspec import Struct

from agent.core.driver import PointSettings
from agent.core.point import Kind

_HOUR: Final = 3600.0
_BEHIND: Final = re.compile(r"0-[1-9]:24\.[23]\.\d+")
_DECIMALS: Final = {"kW.h": 0.001, "kvar.h": 0.001, "kW": 0.001, "kvar": 0.001, "V": 0.1, "A": 0.01}


class Known(Struct, frozen=True):
    """One known point: its code without ``A-B:``, or the types of M-Bus device that it is the reading of."""

    settings: PointSettings
    code: str = ""
    media: frozenset[int] = frozenset()

    @property
    def behind(self) -> bool:
        """Whether it is the reading of a meter behind the P1 meter, on M-Bus."""
        return bool(self.media) or bool(_BEHIND.fullmatch(self.code))

    @property
    def every(self) -> float:
        """Seconds between two readings of a meter behind; 0: it is in each telegram."""
        return _HOUR if self.behind else 0.0


def _counter(code: str, unit: str, quantity: str) -> Known:
    settings = PointSettings(
        unit=unit, kind=Kind.COUNTER, quantity=quantity, resolution=_DECIMALS.get(unit, 1.0), minimum=0
    )
    return Known(settings, code)


def _gauge(code: str, unit: str, quantity: str) -> Known:
    return Known(PointSettings(unit=unit, quantity=quantity, resolution=_DECIMALS.get(unit, 0.001)), code)


def _state(code: str, quantity: str) -> Known:
    return Known(PointSettings(kind=Kind.STATE, quantity=quantity), code)


def _meter(unit: str, quantity: str, *media: int) -> Known:
    settings = PointSettings(unit=unit, kind=Kind.COUNTER, quantity=quantity, resolution=0.001, minimum=0)
    return Known(settings, media=frozenset(media))


def _energies() -> dict[str, Known]:
    found = {}
    for name, group in (("import", 1), ("export", 2)):
        quantity = f"active_energy_{name}"
        found[f"{name}_energy"] = _counter(f"{group}.8.0", "kW.h", quantity)
        for tariff in range(1, 5):
            found[f"{name}_energy_t{tariff}"] = _counter(f"{group}.8.{tariff}", "kW.h", quantity)
    for name, group in (("import", 3), ("export", 4)):
        found[f"{name}_reactive_energy"] = _counter(f"{group}.8.0", "kvar.h", f"reactive_energy_{name}")
    return found


def _powers() -> dict[str, Known]:
    found = {}
    for power, unit, groups in (("active", "kW", (1, 2)), ("reactive", "kvar", (3, 4))):
        for way, group in zip(("import", "export"), groups, strict=True):
            name = f"{power}_power_{way}"
            found[name] = _gauge(f"{group}.7.0", unit, name)
            for phase in (1, 2, 3):
                found[f"{name}_l{phase}"] = _gauge(f"{group + 20 * phase}.7.0", unit, name)
    return found


def _phases() -> dict[str, Known]:
    found = {}
    for phase in (1, 2, 3):
        group = 20 * phase
        found[f"voltage_l{phase}"] = _gauge(f"{group + 12}.7.0", "V", "voltage")
        found[f"current_l{phase}"] = _gauge(f"{group + 11}.7.0", "A", "current")
        found[f"power_factor_l{phase}"] = _gauge(f"{group + 13}.7.0", "1", "power_factor")
        found[f"voltage_sags_l{phase}"] = _counter(f"{group + 12}.32.0", "1", "voltage_sags")
        found[f"voltage_swells_l{phase}"] = _counter(f"{group + 12}.36.0", "1", "voltage_swells")
    return found


KNOWN: Final[Mapping[str, Known]] = {
    **_energies(),
    **_powers(),
    **_phases(),
    "frequency": _gauge("14.7.0", "Hz", "frequency"),
    "power_factor": _gauge("13.7.0", "1", "power_factor"),
    "demand_import": _gauge("1.4.0", "kW", "active_power_demand_import"),
    "demand_import_highest": _gauge("1.6.0", "kW", "active_power_demand_import_highest"),
    "power_limit": _gauge("17.0.0", "kW", "active_power_limit"),
    "current_limit": _gauge("31.4.0", "A", "current_limit"),
    "tariff": _state("96.14.0", "tariff"),
    "breaker": _state("96.3.10", "breaker"),
    "power_failures": _counter("96.7.21", "1", "power_failures"),
    "long_power_failures": _counter("96.7.9", "1", "long_power_failures"),
    "gas_volume": _meter("m3", "gas_volume", 3),
    "water_volume": _meter("m3", "water_volume", 7, 22),
    "warm_water_volume": _meter("m3", "warm_water_volume", 6, 21),
    "heat_energy": _meter("GJ", "heat_energy", 4, 12),
    "cooling_energy": _meter("GJ", "cooling_energy", 10, 11),
    "second_meter_energy": _meter("kW.h", "active_energy_import", 2),
}

_SPELT_ALIKE: Final = (
    "W",
    "kW",
    "VA",
    "kVA",
    "var",
    "kvar",
    "V",
    "A",
    "mA",
    "Hz",
    "GJ",
    "MJ",
    "m3",
    "L",
    "%",
)

UNITS: Final[Mapping[str, str]] = {
    **{code.casefold(): code for code in _SPELT_ALIKE},
    "wh": "W.h", "kwh": "kW.h", "mwh": "MW.h", "varh": "var.h", "kvarh": "kvar.h", "kvah": "kVA.h",
    "dm3": "L",
}  # fmt: skip
"""Units as telegrams write them, in small letters, as UCUM codes: countries differ in ``kVArh``."""
