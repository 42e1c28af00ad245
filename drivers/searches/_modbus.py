"""What the searches for Modbus units share: what can be recognised, which units, and how a port is held."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final, Protocol

from agent.core.clock import Clock
from agent.core.errors import ConfigError
from agent.core.search import Facts, Held, Tell
from drivers.modbus.line import Frame
from drivers.modbus.link import Link
from drivers.modbus.pace import Pace
from drivers.modbus.ports import Port
from drivers.modbus.scan import Around
from drivers.modbus.targets import unit_numbers
from drivers.modbus.who import known
from drivers.modbus_rtu import ModbusRtu
from drivers.serial.opening import BY_ID
from drivers.serial.settings import Frame as AnyFrame
from drivers.serial.source import Opener, Source

_SERIAL: Final = "1-247"
_NETWORK: Final = "1-247,255,0"


class _How(Protocol):
    """What a search says of units."""

    @property
    def units(self) -> str:
        """Their numbers, as written."""
        ...

    @property
    def thorough(self) -> bool:
        """Whether those who are silent are asked again."""
        ...

    @property
    def wait(self) -> float:
        """How long each may take to answer."""
        ...


def _units_of(text: str, *, serial: bool) -> tuple[int, ...]:
    """Read which units to ask; on a serial line 0 would be a call to all."""
    if serial:
        return unit_numbers(text or _SERIAL, lowest=1, highest=247)
    return unit_numbers(text or _NETWORK)


def around(how: _How, facts: Facts, clock: Clock, tell: Tell, *, serial: bool) -> Around:
    """Begin a search for the units that *how* names; raise ConfigError if there are none."""
    units = _units_of(how.units, serial=serial)
    among = known(facts.shipped("profiles"), tuple(facts.shipped("sunspec").values()))
    return Around(units, float(how.wait), among, clock, tell, Pace(clock.boot()), how.thorough)


def port_of(path: str, held: Sequence[Held], clock: Clock) -> Port:
    """Say how the serial port at *path* is listened to and asked, and which running link has it."""

    def ears(baud: int, frame: AnyFrame) -> Opener:
        async def opened() -> Source:
            from drivers.serial.port import SerialPort

            return SerialPort(path, baud, frame)

        return opened

    def link(baud: int, frame: Frame) -> Link:
        return ModbusRtu(path=path, baud=baud, frame=frame).link(clock)

    real = Path(path).resolve()
    has = next((one for one in held if Path(str(one.settings.get("path", ""))).resolve() == real), None)
    return Port(path, f"line-{_short(path)}", ears, link, has)


def converter(host: str, port: int) -> Opener:
    """Give what listens to a line behind a converter."""

    async def opened() -> Source:
        from drivers.serial.tcp import connect

        return await connect(host, port)

    return opened


def plugged() -> list[str]:
    """List the serial adapters that are there, by names that stay; raise ConfigError if there is none."""
    found = sorted(str(one) for one in BY_ID.iterdir()) if BY_ID.is_dir() else []
    if not found:
        raise ConfigError(
            f"no serial adapter is plugged in ({BY_ID} is empty); name the port, such as /dev/ttyS0"
        )
    return found


def _short(path: str) -> str:
    """Give the part of a port's name that people know: ttyUSB0, or the adapter's serial number."""
    name = Path(path).name.casefold().removeprefix("usb-").partition("-if")[0]
    words = [word for word in name.replace("-", "_").split("_") if word.isalnum()]
    return words[-1][:20] if words else "port"
