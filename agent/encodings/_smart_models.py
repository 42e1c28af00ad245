"""What citygate can tell in FIWARE's Smart Data Models: which properties, in which unit, and what they need.

Facts of the published schemas (smart-data-models.github.io, versions in brackets); a test validates entities
of every model against those schemas. A model about plates or identified people is not here, and will not be.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from msgspec import Struct


class Property(Struct, frozen=True):
    """A property: its unit (UCUM; empty: a plain number), and what its values must be.

    ``least`` and ``most`` bound it. ``words`` turn a state into text: below a half the first, else the
    second, and the third where there is no figure.
    """

    unit: str = ""
    is_whole: bool = False
    least: float | None = 0.0
    most: float | None = None
    words: tuple[str, str, str] | None = None


class Model(Struct, frozen=True, kw_only=True):
    """A model: its domain, what figures can be, which fixed properties it needs, which it knows.

    ``spans``: it has the begin and the end of the observation beside its moment.
    """

    domain: str
    properties: Mapping[str, Property]
    needs: tuple[str, ...] = ()
    spans: bool = False


_COUNT: Final = Property(is_whole=True)
_RATIO: Final = Property(most=1.0)
_ANY: Final = Property(least=None)
_SPEED: Final = Property("km/h")
_DUST: Final = Property("ug/m3")


def _lines(name: str, each: Property, *lines: str) -> dict[str, Property]:
    return {f"{name}.{line}": each for line in lines or ("L1", "L2", "L3")}


MODELS: Final[Mapping[str, Model]] = {
    # 0.0.3
    "CrowdFlowObserved": Model(
        domain="Transportation",
        spans=True,
        properties={
            "peopleCount": _COUNT,
            "peopleCountTowards": _COUNT,
            "peopleCountAway": _COUNT,
            "occupancy": _RATIO,
            "averageCrowdSpeed": _SPEED,
        },
    ),
    # 0.0.1
    "TrafficFlowObserved": Model(
        domain="Transportation",
        spans=True,
        properties={"intensity": Property(), "occupancy": _RATIO, "averageVehicleSpeed": _SPEED},
    ),
    # 0.0.2
    "ItemFlowObserved": Model(
        domain="Transportation",
        spans=True,
        needs=("location", "laneId"),
        properties={"intensity": Property(), "occupancy": _RATIO, "averageSpeed": _SPEED},
    ),
    # 0.1.0
    "EVChargingStation": Model(
        domain="Transportation",
        needs=("socketType", "capacity", "allowedVehicleType"),
        properties={
            "availableCapacity": _COUNT,
            "amperage": Property("A"),
            "voltage": Property("V"),
            "powerConsumption": Property("kW", least=None),
        },
    ),
    # 0.1.4
    "AirQualityObserved": Model(
        domain="Environment",
        needs=("location",),
        properties={
            **dict.fromkeys(("pm1", "pm25", "pm4", "pm10", "no2", "no", "nox", "o3", "so2", "co"), _DUST),
            "co2": Property("[ppm]"),
            "temperature": Property("Cel", least=None),
            "relativeHumidity": _RATIO,
            "pressure": Property("hPa"),
        },
    ),
    # 0.0.1; its temperature may not be below zero
    "IndoorEnvironmentObserved": Model(
        domain="Environment",
        needs=("location",),
        properties={
            "temperature": Property("Cel"),
            "relativeHumidity": _RATIO,
            "atmosphericPressure": Property("hPa"),
            "illuminance": Property("lx"),
            "co2": Property("[ppm]"),
            "peopleCount": Property(),
        },
    ),
    # 0.2.1
    "NoiseLevelObserved": Model(
        domain="Environment",
        spans=True,
        needs=("location",),
        properties=dict.fromkeys(("LAeq", "LAmax", "LAS", "LAeq_d"), Property("dB", least=None)),
    ),
    # 0.1.0
    "ParkingSpot": Model(
        domain="Parking",
        needs=("location", "category", "refParkingSite"),
        properties={"status": Property(words=("free", "occupied", "unknown"))},
    ),
    # 0.1.3
    "OffStreetParking": Model(
        domain="Parking",
        needs=("location",),
        properties={"occupiedSpotNumber": _COUNT, "availableSpotNumber": _COUNT, "occupancy": _RATIO},
    ),
    # 0.0.3
    "Building": Model(
        domain="Building", needs=("category", "address"), properties={"peopleOccupancy": Property()}
    ),
    # 0.0.4
    "ThreePhaseAcMeasurement": Model(
        domain="Energy",
        properties={
            "totalActivePower": Property("W", least=None),
            "totalReactivePower": Property("var", least=None),
            "totalApparentPower": Property("VA"),
            "totalPowerFactor": Property(least=-1.0, most=1.0),
            "totalActiveEnergyImport": Property("kW.h"),
            "totalActiveEnergyExport": Property("kW.h"),
            "totalReactiveEnergyImport": Property("kvar.h"),
            "totalReactiveEnergyExport": Property("kvar.h"),
            "totalApparentEnergyImport": Property("kVA.h"),
            "frequency": Property("Hz"),
            **_lines("activePower", Property("W", least=None)),
            **_lines("reactivePower", Property("var", least=None)),
            **_lines("apparentPower", Property("VA")),
            **_lines("powerFactor", Property(least=-1.0, most=1.0)),
            **_lines("current", Property("A", least=None), "L1", "L2", "L3", "N"),
            **_lines("phaseVoltage", Property("V")),
            **_lines("phaseToPhaseVoltage", Property("V"), "L12", "L23", "L31"),
            **_lines("activeEnergyImport", Property("kW.h")),
            **_lines("activeEnergyExport", Property("kW.h")),
        },
    ),
    # 0.0.9
    "Device": Model(
        domain="Device",
        needs=("controlledProperty",),
        properties={"batteryLevel": Property(least=-1.0, most=1.0)},
    ),
    # 0.1.0: what has no model of its own
    "DeviceMeasurement": Model(domain="Device", properties={"numValue": _ANY}),
}
