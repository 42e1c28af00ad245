"""A simulated serial line: real character times, units that think, collisions noticed, on virtual time.

Unit *u*'s register *i* holds *i*. Two who speak at once, and a request without the silence before it, are
faults of the test's subject: ``faults`` names them.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from typing import Any

from drivers.modbus.crc import is_sound
from drivers.modbus.frames import Frames
from drivers.modbus.frames_rtu import RtuFrames
from drivers.modbus.line import Frame, character_seconds, quiet_seconds
from drivers.modbus.session import Session
from tests.drivers.modbus.rtu_wire import Asked


class Bus:
    """A line with devices; a Way for the link under test."""

    lasting = True
    where = "the line"

    def __init__(self, baud: int = 9600, frame: Frame = "8N1", *, seed: int = 0) -> None:
        self.character = character_seconds(baud, frame)
        self.quiet = quiet_seconds(baud, frame)
        self.dead: set[int] = set()
        self.thinks = 0.01
        self.late = self.noise = 0.0
        self.lateness = 1.0
        self.asked: list[tuple[float, Asked]] = []
        self.faults: list[str] = []
        self.busy = 0.0
        self.answer: Callable[[Asked], bytes] = Asked.reply
        self._chance = random.Random(seed)
        self._free_at = -1.0
        self._session: Session | None = None

    def frames(self) -> Frames:
        """Make the frames of this way."""
        return RtuFrames()

    async def open(self, make: Callable[[], Session]) -> Session:
        """Open the port."""
        self._session = session = make()
        session.connection_made(_Transport(self))
        return session

    def pull(self) -> None:
        """Take the adapter out."""
        if self._session is not None:
            self._session.gone(f"{self.where} is gone; was its adapter unplugged?")

    def transmit(self, data: bytes) -> None:
        """Take what the link writes."""
        loop = asyncio.get_running_loop()
        now = loop.time()
        # a timer of the loop may fire a clock's resolution early
        if now < self._free_at:
            self.faults.append(f"spoke at {now:.4f} while the line was taken until {self._free_at:.4f}")
        elif now < self._free_at + self.quiet - 1e-6:
            self.faults.append(f"only {1000 * (now - self._free_at):.2f} ms of silence before a request")
        self._occupy(now, len(data))
        assert is_sound(data)
        asked = Asked(data)
        self.asked.append((now, asked))
        if asked.unit not in self.dead:
            pause = self._chance.random() < self.late and self.lateness
            loop.call_at(self._free_at + (pause or self.thinks), self._reply, self.answer(asked))

    def _reply(self, data: bytes) -> None:
        loop = asyncio.get_running_loop()
        if self._chance.random() < self.noise:
            broken = bytearray(data)
            broken[self._chance.randrange(len(broken))] ^= self._chance.randint(1, 255)
            data = self._chance.randbytes(self._chance.randint(0, 4)) + bytes(broken)
        elif self._chance.random() < self.noise:
            data = self._chance.randbytes(self._chance.randint(1, 6)) + data
        begun = max(loop.time(), self._free_at)
        self._occupy(begun, len(data))
        half = len(data) // 2
        for part, upto in ((data[:half], half), (data[half:], len(data))):
            loop.call_at(begun + upto * self.character, self._give, part)

    def _give(self, data: bytes) -> None:
        if self._session is not None and not self._session.ended:
            self._session.data_received(data)

    def _occupy(self, begun: float, size: int) -> None:
        self._free_at = begun + size * self.character
        self.busy += size * self.character


class _Transport(asyncio.Transport):
    def __init__(self, bus: Bus) -> None:
        super().__init__()
        self._bus = bus

    def write(self, data: Any) -> None:  # noqa: ANN401 - as asyncio has it
        self._bus.transmit(bytes(data))

    def abort(self) -> None:
        return

    def is_closing(self) -> bool:
        return False
