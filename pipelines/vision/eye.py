"""One camera at work: from a picture to its numbers, and what is known of their quality.

Pictures come and go one at a time; what stays of them is where boxes are, how fast they move, and sums.
Time in which the picture cannot be trusted is not observed: nothing is taken then, not even zero.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from agent.core.scene import ODD, Scene
from agent.core.sight import ANALYSED, GATE, JUMPS, RATE, STATE, Camera, Cell, Sight
from pipelines.vision.arrays import Floats
from pipelines.vision.clip import Still
from pipelines.vision.detector import Answer, Detector
from pipelines.vision.quality.blindness import Blindness
from pipelines.vision.quality.condition import STANDS_STILL, Condition
from pipelines.vision.quality.gate import Gate, Motion
from pipelines.vision.tally import Tally

LOOKS: Final = 2.0  # seconds between two pictures while nothing moves: a track outlives that
_TOGETHER: Final = 2.0  # seconds of answers that are read and followed in one go, which costs half


class Glance(NamedTuple):
    """What the model told of one picture, and where something moved in it."""

    at: float
    detector: Detector
    answer: Answer
    moving: Floats


class Eye:
    """Counts what one camera sees; cells follow each other from *begin* on."""

    def __init__(self, camera: Camera, table: tuple[Cell, ...], begin: float) -> None:
        self.sight = Sight.SILENT
        self._camera = camera
        self._table = table
        self._begin = begin
        self._aspect = camera.picture[0] / camera.picture[1] if camera.picture else None
        self._tally: Tally | None = None
        self._blindness: Blindness | None = None
        self._gate, self._condition = Gate(), Condition()
        self._analysed_at = -LOOKS
        self._glances: list[Glance] = []  # not followed yet
        self._blind = False
        self._clear()

    def look(self, still: Still, detector: Detector) -> None:
        """Take the next picture."""
        if not self._is_drawn_for(still):
            self.notice(Sight.RESHAPED)
            return
        luma = still.luma(*detector.room(still))
        motion = self._gate.feed(luma, still.at)
        self._openings += motion.opened
        self._jumps += motion.jumped
        sight = self._condition.feed(luma, still.at)
        if sight is Sight.FROZEN and self.sight is not Sight.FROZEN:
            self._unseen += STANDS_STILL  # by which it was noticed too late
        if sight in (Sight.FROZEN, Sight.COVERED, Sight.DARK):
            self.notice(sight)
            return
        self._analyse(still, detector, motion)
        self.notice(Sight.BLIND if sight is Sight.OK and self._blind else sight)

    def notice(self, sight: Sight) -> None:
        """Note how the camera does."""
        self.sight = sight
        self._seen_as |= 1 << sight

    def close(self, end: float) -> list[int | None]:
        """Give the numbers of the cell that ends at *end*, as they cross, and begin the next one."""
        self._follow()
        counted = self._tally.close(end) if self._tally is not None else None
        width = end - self._begin
        observed = min(width, max(0.0, counted.observed - self._unseen)) if counted else 0.0
        numbers = counted.numbers if counted and observed else (None,) * (len(self._table) - 5)
        quality: dict[str, float] = {
            STATE: self._seen_as,
            ANALYSED: observed,
            RATE: self._pictures / width if width else 0.0,
            GATE: self._openings,
            JUMPS: self._jumps,
        }
        told = [*numbers, *(quality[one.name] for one in self._table[len(numbers) :])]
        self._begin = end
        self._clear()
        return [
            None if value is None else min(one.most, round(value * one.scale))
            for one, value in zip(self._table, told, strict=True)
        ]

    def _clear(self) -> None:
        self._openings = self._jumps = self._pictures = 0
        self._unseen = 0.0
        self._seen_as = 1 << self.sight

    def _analyse(self, still: Still, detector: Detector, motion: Motion) -> None:
        """Run the model, unless nothing moves and it was run just now."""
        if not motion.is_open and still.at - self._analysed_at < LOOKS:
            return
        self._glances.append(Glance(still.at, detector, detector.ask(still), motion.boxes))
        self._analysed_at, self._pictures = still.at, self._pictures + 1
        if still.at - self._glances[0].at >= _TOGETHER:
            self._follow()

    def _follow(self) -> None:
        """Count what was found of late, picture by picture."""
        if self._tally is None or self._blindness is None:
            return
        for one in self._glances:
            found = one.detector.read(one.answer)
            self._tally.take(found, one.at)
            self._blindness.feed(one.moving, found, one.at)
            self._blind = self._blindness.is_blind(one.at)
        self._glances.clear()

    def _is_drawn_for(self, still: Still) -> bool:
        """Say whether a picture has the shape that was drawn over; the first one may tell, and begins."""
        aspect = still.width / still.height
        if self._aspect is None:
            self._aspect = aspect
        if abs(aspect / self._aspect - 1) > ODD:
            return False
        if self._tally is None:
            self._tally = Tally(self._scene, self._aspect, max(self._begin, still.at))
            self._blindness = Blindness(self._scene, self._aspect)
        return True

    @property
    def _scene(self) -> Scene:
        return self._camera.scene
