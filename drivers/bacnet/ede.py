"""Reads and writes EDE files: the tables in which European integrators hand over a building's BACnet objects.

Engineering Data Exchange, B.I.G.-EU, layouts 2.0 to 2.3. Each program writes them a little differently, so
columns are found by their heads. A row that cannot be understood is told with file and line, and the others
count. Source: the columns and names of the layout's description of 2007 and 2017, as public programs write
them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Final

from msgspec import Struct

from agent.core.errors import ConfigError
from drivers.bacnet import cells, units
from drivers.bacnet.facts import DeviceFacts, ObjectFacts
from drivers.bacnet.names import OBJECT_TYPES, object_type_name

_COLUMNS: Final[dict[str, tuple[str, ...]]] = {
    "keyname": ("keyname", "key"),
    "device obj.-instance": ("deviceobjinstance", "deviceobjectinstance", "deviceinstance", "deviceid"),
    "object-name": ("objectname", "objname"),
    "object-type": ("objecttype", "objtype"),
    "object-instance": ("objectinstance", "objinstance"),
    "description": ("description", "objectdescription"),
    "present-value-default": ("presentvaluedefault", "defpresentvalue", "defaultvalue"),
    "min-present-value": ("minpresentvalue", "minvalue"),
    "max-present-value": ("maxpresentvalue", "maxvalue"),
    "settable": ("settable", "commandable"),
    "supports COV": ("supportscov", "cov"),
    "hi-limit": ("hilimit", "highlimit"),
    "low-limit": ("lowlimit", "lolimit"),
    "state-text-reference": ("statetextreference", "statetextref"),
    "unit-code": ("unitcode", "unit", "units"),
    "vendor-specific-address": ("vendorspecificaddress", "vendorspecificaddres"),
}
_NEEDED: Final = ("device obj.-instance", "object-type", "object-instance")
_SHORT_TYPES: Final = {
    "ai": "analog-input",
    "ao": "analog-output",
    "av": "analog-value",
    "bi": "binary-input",
    "bo": "binary-output",
    "bv": "binary-value",
    "mi": "multi-state-input",
    "mo": "multi-state-output",
    "mv": "multi-state-value",
    "dev": "device",
}
_TYPES: Final = {name.replace("-", ""): name for name in OBJECT_TYPES} | _SHORT_TYPES
_UNIT_NAMES: Final = {re.sub(r"[^a-z0-9]", "", name): number for number, (name, _) in units.UNITS.items()}
ENDS: Final = ("_EDE.csv", "_StateTexts.csv", "_ObjTypes.csv", "_Units.csv")
"""How the names of the files of a set end."""

_MOST_INSTANCE: Final = 4_194_302


class Ede(Struct, frozen=True, kw_only=True):
    """What an EDE file tells: about itself, its devices with their objects, and the rows that make no sense.

    ``faults`` are sentences that begin with ``file:line``.
    """

    project: str = ""
    version: str = ""
    changed: str = ""
    author: str = ""
    layout: str = ""
    devices: tuple[DeviceFacts, ...] = ()
    faults: tuple[str, ...] = ()


def ede_of(data: bytes, file: str, texts: tuple[bytes, str] | None = None) -> Ede:
    """Read the table *data* of *file*, with its table of state texts; raise ConfigError if it is no EDE."""
    table, heads, at = _table(cells.decoded(data), file)
    reader = _Reader(file, heads, states_of(*texts) if texts else None)
    for line, row in table[at + 1 :]:
        if not row[0].startswith("#"):
            reader.take(line, row)
    about = _about(table[:at])
    return Ede(
        project=about.get("PROJECT_NAME", ""),
        version=about.get("VERSION_OF_REFERENCEFILE", ""),
        changed=about.get("TIMESTAMP_OF_LAST_CHANGE", ""),
        author=about.get("AUTHOR_OF_LAST_CHANGE", ""),
        layout=about.get("VERSION_OF_LAYOUT", ""),
        devices=reader.devices(),
        faults=tuple(reader.faults),
    )


def states_of(data: bytes, file: str) -> dict[int, tuple[str, ...]]:
    """Read a table of state texts: a number, and the texts of the states that it stands for."""
    text = cells.decoded(data)
    for separator in cells.separators(text):
        found: dict[int, tuple[str, ...]] = {}
        for _, row in cells.rows(text, separator):
            number = cells.whole(row[0])
            while row and not row[-1]:
                row.pop()
            if number is not None and len(row) > 1:
                found[number] = tuple(row[1:])
        if found:
            return found
    if any(line[:1].isdigit() for line in text.splitlines()):
        raise ConfigError(f"{file}: this is no table of state texts: a number and its texts in each line")
    return {}


def ede_files(devices: Sequence[DeviceFacts], *, project: str, changed: str) -> tuple[bytes, ...]:
    """Write *devices* as EDE 2.3: a file for each of `ENDS`."""
    states = sorted({one.states for device in devices for one in device.objects if one.states})
    numbers = {texts: number for number, texts in enumerate(states, 1)}
    head = [
        ["#Engineering-Data-Exchange - B.I.G.-EU"],
        ["PROJECT_NAME", cells.guarded(project)],
        ["VERSION_OF_REFERENCEFILE", "1"],
        ["TIMESTAMP_OF_LAST_CHANGE", changed],
        ["AUTHOR_OF_LAST_CHANGE", "citygate"],
        ["VERSION_OF_LAYOUT", "2.3"],
        ["#mandatory", *["mandatory"] * 4, *["optional"] * (len(_COLUMNS) - 5)],
        ["# keyname", *list(_COLUMNS)[1:]],
    ]
    rows = [_row(device, one, numbers) for device in devices for one in _with_itself(device)]
    most = max(map(len, states), default=2)
    titles = ["Text 1 or Inactive-Text", "Text 2 or Active-Text", *(f"Text {n}" for n in range(3, most + 1))]
    text_rows = [[str(numbers[texts]), *map(cells.guarded, texts)] for texts in states]
    types = [[str(number), name] for name, number in OBJECT_TYPES.items()]
    unit_rows = [[str(number), name] for number, (name, _) in units.UNITS.items()]
    return (
        cells.written(head + rows),
        _companion("State Text Reference", ["Reference Number", *titles], text_rows),
        _companion("Encoding of BACnet Object Types", ["Code", "Object Type"], types),
        _companion("Encoding of BACnet Engineering Units", ["Code", "Unit Text"], unit_rows),
    )


def _companion(title: str, heads: list[str], rows: list[list[str]]) -> bytes:
    return cells.written([[f"#{title}"], [f"#{heads[0]}", *heads[1:]], *rows])


def _with_itself(device: DeviceFacts) -> Iterable[ObjectFacts]:
    own = ObjectFacts(type="device", instance=device.instance, name=device.name)
    return device.objects if any(one.type == "device" for one in device.objects) else (own, *device.objects)


def _row(device: DeviceFacts, one: ObjectFacts, numbers: dict[tuple[str, ...], int]) -> list[str]:
    said = {
        "keyname": cells.guarded(f"{device.instance}_{one.name or one.id.replace(',', '_')}"),
        "device obj.-instance": str(device.instance),
        "object-name": cells.guarded(one.name),
        "object-type": str(OBJECT_TYPES.get(one.type, one.type)),
        "object-instance": str(one.instance),
        "description": cells.guarded(one.description),
        "min-present-value": _number(one.minimum),
        "max-present-value": _number(one.maximum),
        "settable": _yes(one.settable),
        "supports COV": _yes(one.cov),
        "state-text-reference": str(numbers[one.states]) if one.states else "",
        "unit-code": "" if one.unit is None else str(one.unit),
    }
    return [said.get(column, "") for column in _COLUMNS]


def _number(value: float | None) -> str:
    return "" if value is None else repr(value)


def _yes(said: bool | None) -> str:
    return "" if said is None else "Y" if said else "N"


def _table(text: str, file: str) -> tuple[list[tuple[int, list[str]]], dict[str, int], int]:
    """Find the separator and the line of heads: the table, which column holds what, and where rows begin."""
    best: list[str] = []
    for separator in cells.separators(text):
        table = cells.rows(text, separator)
        for at, (_, row) in enumerate(table[:40]):
            heads = _heads(row)
            if all(column in heads for column in _NEEDED):
                return table, heads, at
            best = max(best, [column for column in _NEEDED if column in heads], key=len)
    lacking = " and ".join(f'"{column}"' for column in _NEEDED if column not in best)
    raise ConfigError(
        f"{file}: this is no EDE table: no line of heads says {lacking}; export it anew as EDE 2.2 or 2.3"
    )


def _heads(row: Sequence[str]) -> dict[str, int]:
    bare = [re.sub(r"[^a-z]", "", cell.casefold()) for cell in row]
    return {
        column: bare.index(known[0])
        for column, spellings in _COLUMNS.items()
        if (known := [one for one in spellings if one in bare])
    }


def _about(table: Sequence[tuple[int, list[str]]]) -> dict[str, str]:
    pairs = ((row[0].lstrip("# ").upper().replace(" ", "_"), row[1]) for _, row in table if len(row) > 1)
    return dict(pairs)


class _Reader:
    """The rows of one table, one after the other."""

    def __init__(self, file: str, heads: dict[str, int], states: dict[int, tuple[str, ...]] | None) -> None:
        self._file = file
        self._heads = heads
        self._states = states
        self._objects: dict[int, dict[str, ObjectFacts]] = {}
        self._lines: dict[tuple[int, str], int] = {}
        self.faults: list[str] = []

    def devices(self) -> tuple[DeviceFacts, ...]:
        """Give what was read, by device."""
        return tuple(
            DeviceFacts(
                instance=device,
                name=next((one.name for one in objects.values() if one.type == "device"), ""),
                objects=tuple(one for one in objects.values() if one.type != "device"),
            )
            for device, objects in self._objects.items()
        )

    def take(self, line: int, row: Sequence[str]) -> None:
        """Read one row, or say why it cannot be read."""
        cell = {column: row[at] if at < len(row) else "" for column, at in self._heads.items()}
        device, kind = cells.whole(cell["device obj.-instance"]), _type(cell["object-type"])
        instance = cells.whole(cell["object-instance"])
        if device is None or not 0 <= device <= _MOST_INSTANCE:
            return self._fault(line, cell, "device obj.-instance", "a number from 0 to 4194302")
        if kind is None:
            return self._fault(line, cell, "object-type", "a number or name of the standard")
        if instance is None or not 0 <= instance <= _MOST_INSTANCE:
            return self._fault(line, cell, "object-instance", "a number from 0 to 4194302")
        key = (device, f"{kind},{instance}")
        if key in self._lines:
            return self._say(line, f"{key[1]} of device {device} stands in line {self._lines[key]} already")
        self._lines[key] = line
        known = ObjectFacts(
            type=kind,
            instance=instance,
            name=cell.get("object-name") or cell.get("keyname", ""),
            description=cell.get("description", ""),
            unit=self._unit(line, cell),
            states=self._texts(line, cell),
            minimum=self._figure(line, cell, "min-present-value"),
            maximum=self._figure(line, cell, "max-present-value"),
            settable=cells.yes(cell.get("settable", "")),
            cov=cells.yes(cell.get("supports COV", "")),
        )
        self._objects.setdefault(device, {})[known.id] = known
        return None

    def _unit(self, line: int, cell: dict[str, str]) -> int | None:
        said = cell.get("unit-code", "")
        if said in ("", "-"):
            return None
        number = cells.whole(said)
        if number is None:
            number = _UNIT_NAMES.get(re.sub(r"[^a-z0-9]", "", said.casefold()))
        if number is None or not 0 <= number < 1 << 32:
            self._fault(line, cell, "unit-code", "a number or name of the standard")
            return None
        return number

    def _texts(self, line: int, cell: dict[str, str]) -> tuple[str, ...]:
        said = cell.get("state-text-reference", "")
        if said in ("", "-"):
            return ()
        number = cells.whole(said)
        if number is None:
            self._fault(line, cell, "state-text-reference", "a number of the table of state texts")
        elif self._states is None:
            self._states = {}  # said once for all rows
            self._say(
                line, f"state texts {number} are meant, but no table of state texts lies beside the file"
            )
        elif number not in self._states and self._states:
            self._say(line, f"state texts {number} are meant, but their table has no such number")
        return (self._states or {}).get(-1 if number is None else number, ())

    def _figure(self, line: int, cell: dict[str, str], column: str) -> float | None:
        said = cell.get(column, "")
        if said in ("", "-"):
            return None
        found = cells.number(said)
        if found is None:
            self._fault(line, cell, column, "a number")
        return found

    def _fault(self, line: int, cell: dict[str, str], column: str, wanted: str) -> None:
        said = cell[column]
        self._say(line, f'{column} is "{said}", not {wanted}' if said else f"{column} is empty")

    def _say(self, line: int, text: str) -> None:
        self.faults.append(f"{self._file}:{line}: {text}")


def _type(said: str) -> str | None:
    number = cells.whole(said)
    if number is not None:
        return object_type_name(number) if 0 <= number < 1024 else None
    return _TYPES.get(re.sub(r"[^a-z]", "", said.casefold()))
