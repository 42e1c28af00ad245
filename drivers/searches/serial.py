"""Looks for what is on serial ports: sensors and meters that speak by themselves, or Modbus units.

It listens before it sends; where anybody is heard it sends nothing.
"""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from agent.core.clock import Clock
from agent.core.duration import Duration
from agent.core.errors import ConfigError
from agent.core.search import Facts, Search, Tell


class Serial(Search):
    """What is on serial ports: who speaks by itself, or at which speed Modbus units answer.

    For example:
      citygate scan serial
      citygate scan serial /dev/ttyUSB0
      citygate scan serial /dev/ttyUSB0 --baud 9600,19200 --units 1-32
    """

    targets: Annotated[
        tuple[str, ...],
        Meta(
            description="Path of a port; none: every adapter in /dev/serial/by-id.",
            extra={"metavar": "PORT"},
        ),
    ] = ()
    baud: Annotated[
        str, Meta(description="Speeds to try for Modbus, such as 9600,19200; else all usual.")
    ] = ""
    frame: Annotated[
        Literal["8N1", "8E1", "8O1", "8N2"] | None, Meta(description="The one frame to try; else all usual.")
    ] = None
    units: Annotated[str, Meta(description="Unit numbers to ask; else 1-247.")] = ""
    wait: Annotated[Duration, Meta(description="How long each unit may take to answer.")] = Duration(0.2)
    thorough: Annotated[
        bool, Meta(description="Ask those who are silent a second time, and wait at least 600ms.")
    ] = False
    listen: Annotated[Duration, Meta(description="How long to listen before the first byte.")] = Duration(10)

    async def search(self, facts: Facts, clock: Clock, tell: Tell) -> None:
        """Search all ports at once; raise ConfigError when there is none."""
        from drivers.modbus import ports, targets
        from drivers.searches import _modbus

        paths = list(dict.fromkeys(self.targets)) or _modbus.plugged()
        if wrong := [one for one in paths if not targets.is_path(one)]:
            raise ConfigError(f'"{wrong[0]}" is no serial port; write its path, such as /dev/ttyUSB0')
        speeds = self._speeds()
        settings = [
            one
            for one in ports.MODBUS_SETTINGS
            if (not speeds or one[0] in speeds) and self.frame in (None, one[1])
        ]
        frame = self.frame or "8N1"
        settings += [(baud, frame) for baud in speeds if baud not in {one[0] for one in settings}]
        held = await facts.held()
        around = _modbus.around(self, facts, clock, tell, serial=True)
        lines = [_modbus.port_of(path, held, clock) for path in paths]
        await ports.search(lines, around, ports.Looking(tuple(settings), self.listen))

    def _speeds(self) -> list[int]:
        speeds = [one.strip() for one in self.baud.split(",") if one.strip()]
        if wrong := [one for one in speeds if not one.isdecimal() or not 300 <= int(one) <= 4_000_000]:
            raise ConfigError(f'--baud: "{wrong[0]}" is no speed; write 9600 or 9600,19200')
        return [int(one) for one in speeds]
