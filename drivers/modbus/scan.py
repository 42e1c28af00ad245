"""Looks for the units behind one Modbus endpoint, and asks those it finds who they are.

Each unit number is asked for one register: any answer, a refusal too, shows a device. One request is under
way at a time, each waits only briefly, and nothing but reads exists here. Source: MODBUS Application
Protocol Specification V1.1b3, §6.21 (Read Device Identification).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from msgspec import Struct

from agent.core.clock import Clock
from agent.core.errors import DriverError
from agent.core.search import Found, Tell
from drivers.modbus.pace import Pace
from drivers.modbus.probe import Asker
from drivers.modbus.request import Answer, Fault, Request
from drivers.modbus.who import Known, Who, who

RESERVED: Final = (251, 253)
"""No serial device may have these numbers: who answers to both answers to any."""

PATIENT: Final = 0.6
"""Seconds for each unit in the second round."""

_LINGER: Final = 5.0  # seconds at most at the end, in which late answers show themselves
_OF_DEVICES: Final = frozenset((1, 2, 3))  # what a device says of a request that it does not like
_LATE: Final = 1.5  # seconds for each unit behind a gateway that is slower than the wait
_STUBBORN: Final = 3  # connections lost in a row that end a scan


Late = Callable[[], int]
"""Counts the answers that came when nobody waited for them any more."""


class Place(Struct, frozen=True):
    """Where units are looked for: its address for people, and its link's table or the link that it is."""

    address: str
    link: Mapping[str, Any]
    name: str
    on: str = ""


class Around(Struct, frozen=True):
    """What all places of one search share; ``wait`` is how long a unit may take to answer, in seconds.

    ``twice``: a second round asks those who were silent in the first, and waits longer. On a line a question
    may be lost; and slaves made with libmodbus are deaf for half a second behind a request to a silent unit,
    since they expect that one's reply.
    """

    units: tuple[int, ...]
    wait: float
    among: Known
    clock: Clock
    tell: Tell
    pace: Pace
    twice: bool = False

    @property
    def steps(self) -> int:
        """How many steps each place takes."""
        return len(RESERVED) + len(self.units) * (2 if self.twice else 1)

    def seconds(self, slow: float = 0.0) -> float:
        """Say how long they take where nobody answers, *slow* being what the bytes of each take."""
        again = len(self.units) * (max(self.wait, PATIENT) + slow) if self.twice else 0.0
        asked = len(RESERVED) + len(self.units)
        return asked * (self.wait + slow) + again + min(_LINGER, asked * self.wait)

    def at(self, what: str, steps: int = 1) -> None:
        """Note that so many steps are done, and tell how far the search is."""
        self.pace.step(steps)
        self.tell(self.pace.progress(self.clock.boot(), what))


class Share:
    """What one place has of the search's work: so many *steps*, or those of its units."""

    def __init__(self, around: Around, steps: int | None = None) -> None:
        self.around = around
        self._left = around.steps if steps is None else steps

    def at(self, what: str, steps: int = 1) -> None:
        """Note that so many steps are done, and tell it."""
        steps = min(steps, self._left)
        self._left -= steps
        self.around.at(what, steps)

    def more(self, steps: int, seconds: float) -> None:
        """Take more work, which takes so long at most."""
        self._left += steps
        self.around.pace.expect(steps, seconds)

    def finish(self, what: str) -> None:
        """Note that nothing is left to do."""
        self.at(what, self._left)


class Scan:
    """The units of one place; *slow* is what its bytes take beside the wait, in seconds.

    A gateway may wait for an absent unit longer than we do, and answers for others meanwhile pile up in it.
    Their late arrival is noticed (*late* counts them): from then on each gets more time, and a second round
    asks again who seemed to be silent.
    """

    def __init__(
        self,
        asker: Asker,
        place: Place,
        share: Share,
        slow: float = 0.0,
        late: Late | None = None,
    ) -> None:
        self._asker, self._place, self._share, self._around = asker, place, share, share.around
        self._late, self._wait, self._was_late = late, share.around.wait, False
        self._silences = self._seen_late = 0
        self._slow = slow
        self._losses: int | None = None
        self._nobody = 0

    async def run(self) -> int:
        """Tell of each unit as it is found, and give how many; raise GatewayError when that is impossible."""
        reserved = [await self._reply(unit) for unit in RESERVED]
        if all(reply is not None for reply in reserved):
            self._nobody = _code_of_a_gateway(reserved)
            if not self._nobody:
                await self._introduce(self._around.units[0], "it answers to every unit number")
                return 1
        self._share.at(self._place.address, len(RESERVED))
        found: set[int] = set()
        await self._round(found, asked(self._around.units, twice=self._around.twice))
        if self._late is not None:
            await self._around.clock.sleep(min(_LINGER, self._silences * self._wait))
            self._look_for_late_ones()
        if self._was_late and not self._around.twice:
            left = [(unit, True) for unit in self._around.units if unit not in found]
            self._share.more(len(left), len(left) * self._wait)
            await self._round(found, left)
        return len(found)

    async def _round(self, found: set[int], questions: Sequence[tuple[int, bool]]) -> None:
        for unit, again in questions:
            if unit not in found and await self.answers(unit, again=again):
                found.add(unit)
                await self._introduce(unit)
            self._share.at(f"{self._place.address} unit {unit}")

    async def answers(self, unit: int, *, again: bool = False) -> bool:
        """Say whether anybody answers to *unit*; *again*: asked for another length."""
        return await self._reply(unit, again=again) is not None

    async def _reply(self, unit: int, *, again: bool = False) -> Answer | Fault | None:
        """Give what *unit* answers; None: nobody is there.

        Some devices close the connection when another unit is asked; one that does so again and again, or
        cannot be reached at all, ends the scan.
        """
        wait = max(self._wait, PATIENT) if again else self._wait
        try:
            reply = await self._asker.ask(Request(unit, "holding", 0, 2 if again else 1), wait + self._slow)
        except DriverError:
            if self._losses is None or self._losses + 1 >= _STUBBORN:
                raise
            self._losses += 1
            return None
        self._losses = 0
        self._look_for_late_ones()
        if isinstance(reply, Fault) and (reply.silent or (reply.code and reply.code == self._nobody)):
            self._silences += not reply.code
            return None
        return reply

    def _look_for_late_ones(self) -> None:
        """Give each unit more time as soon as an answer has come late."""
        if self._late is not None and (late := self._late()) > self._seen_late:
            self._seen_late, self._was_late, self._wait = late, True, max(self._wait, _LATE)

    async def _introduce(self, unit: int, note: str = "") -> None:
        """Tell of *unit*."""
        place = self._place
        try:
            one = await who(self._asker, unit, self._around.among)
        except DriverError as error:
            one = Who("a device that did not say what it is", "", {}, str(error))
        self._around.tell(
            Found(
                address=f"{place.address} unit {unit}",
                what=one.what,
                link=place.link,
                link_name=place.name,
                on=place.on,
                device={"unit": unit, **one.keys},
                device_name=f"{one.stem or 'unit'}-{unit}",
                note="; ".join(text for text in (note, one.note) if text),
            )
        )


def _code_of_a_gateway(replies: Sequence[Answer | Fault | None]) -> int:
    """Give the exception with which a gateway says that nobody is there; 0: they are a device's answers."""
    codes = {reply.code if isinstance(reply, Fault) else 0 for reply in replies}
    [code] = codes if len(codes) == 1 else [0]
    return 0 if code in _OF_DEVICES else code


def asked(units: Sequence[int], *, twice: bool) -> list[tuple[int, bool]]:
    """Give the order in which units are asked, and whether it is for the second time."""
    return [(unit, again) for again in ((False, True) if twice else (False,)) for unit in units]
