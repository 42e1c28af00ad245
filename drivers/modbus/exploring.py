"""Reads what a guess about an unknown register needs: a few short requests around its address."""

from __future__ import annotations

from typing import Final, get_args

from msgspec.structs import replace

from agent.core.driver import Guess, Riddle
from agent.core.errors import ConfigError, DriverError
from drivers.modbus.device import ModbusDevice
from drivers.modbus.explore import COUNTS, LONGEST, Place, Wanted, guesses, places
from drivers.modbus.point import BIT_TABLES, ModbusPoint, Table
from drivers.modbus.probe import Asker
from drivers.modbus.request import Answer, Fault, Request

_TABLES: Final[tuple[Table, ...]] = ("holding", "input")
_WAIT: Final = 1.0
_SILENCES: Final = 2
_SPACE: Final = 0x10000


async def explored(asker: Asker, riddle: Riddle, device: ModbusDevice | None) -> list[Guess]:
    """Read around the address, and rank what it may mean; raise GatewayError when nothing can be read."""
    unit = riddle.unit if riddle.unit is not None else device.unit if device else 1
    read, refusals = [], 0
    for place in _places(riddle, device):
        data = await _read(asker, unit, place)
        if isinstance(data, bytes):
            read.append((place, data))
        elif data.silent and not read and not refusals:
            raise DriverError(
                f"unit {unit} does not answer; is the number right? `citygate scan` finds units"
            )
        else:
            refusals += 1
    if not read:
        raise DriverError(
            f"unit {unit} refuses to be read at {riddle.addr}, one before and one behind; is it in another "
            "table, or counted in another way?"
        )
    found = guesses(read, Wanted(riddle.value, riddle.ucum))
    if device is None or device.addressing == "zero":
        return found
    return [replace(one, keys={**one.keys, "addressing": "zero"}) for one in found]


async def _read(asker: Asker, unit: int, place: Place) -> bytes | Fault:
    """Read as much as the device gives from *place* on, or give its last refusal; two silences end it."""
    fault, silences = Fault("no_reply", 0.0), 0
    for count in (*((LONGEST,) if not place.steps else ()), *COUNTS):
        if place.start + count > _SPACE:
            continue
        reply = await asker.ask(Request(unit, place.table, place.start, count), _WAIT)
        if isinstance(reply, Answer):
            return reply.data
        fault = reply
        silences += fault.silent
        if silences == _SILENCES:
            break
    return fault


def _places(riddle: Riddle, device: ModbusDevice | None) -> list[Place]:
    """List the places in question, as the device counts; raise ConfigError for a table without numbers."""
    if riddle.table and riddle.table not in get_args(Table):
        raise ConfigError(f'no table is called "{riddle.table}"; they are {", ".join(get_args(Table))}')
    if riddle.table in BIT_TABLES:
        raise ConfigError(
            "a coil or discrete input is one bit: there is nothing to guess; `citygate read` shows it"
        )
    tables = [one for one in _TABLES if riddle.table in ("", one)]
    addr = riddle.addr
    if device is not None and device.addressing != "zero":
        try:
            table, addr = ModbusPoint(addr=addr, table=tables[0]).place(device.addressing)
        except ValueError as error:
            raise ConfigError(f"--addr: {error}") from None
        tables = [table] if device.addressing == "40001" else tables
    return places(addr, tables)
