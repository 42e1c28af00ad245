"""One camera at work: from a picture to its numbers, and what is known of their quality.

Pictures come and go one at a time; what stays of them is where boxes are, how fast they move, and sums.
Time in which the picture cannot be trusted is not observed: nothing is taken then, not even zero.
"""

from __future__ import annotations

from typing import Final

from agent.core.scene import ODD, Scene
from agent.core.sight import ANALYSED, GATE, JUMPS, RATE, STATE, Camera, Cell, Sight
from pipelines.vision.clip import Still
from pipelines.vision.detector import Detector
from pipelines.vision.quality.blindness import Blindness
from pipelines.vision.quality.condition import STANDS_STILL, Condition
from pipelines.vision.quality.gate import HEIGHT, WIDTH, Gate, Motion
from pipelines.vision.tally import Tally

LOOKS: Final = 2.0  # seconds between two pictures while nothing moves: a track outlives that


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
        self._clear()

    def look(self, still: Still, detector: Detector) -> None:
        """Take the next picture."""
        tally = self._tally_for(still)
        if tally is None:
            self.notice(Sight.RESHAPED)
            return
        luma = still.luma(WIDTH, HEIGHT)
        motion = self._gate.feed(luma, still.at)
        self._openings += motion.opened
        self._jumps += motion.jumped
        sight = self._condition.feed(luma, still.at)
        if sight is Sight.FROZEN and self.sight is not Sight.FROZEN:
            self._unseen += STANDS_STILL  # by which it was noticed too late
        if sight in (Sight.FROZEN, Sight.COVERED, Sight.DARK):
            self.notice(sight)
            return
        self._analyse(still, detector, motion, tally)
        assert self._blindness is not None
        blind = self._blindness.is_blind(still.at)
        self.notice(Sight.BLIND if sight is Sight.OK and blind else sight)

    def notice(self, sight: Sight) -> None:
        """Note how the camera does."""
        self.sight = sight
        self._seen_as |= 1 << sight

    def close(self, end: float) -> list[int | None]:
        """Give the numbers of the cell that ends at *end*, as they cross, and begin the next one."""
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

    def _analyse(self, still: Still, detector: Detector, motion: Motion, tally: Tally) -> None:
        """Run the model, unless nothing moves and it was run just now."""
        if not motion.is_open and still.at - self._analysed_at < LOOKS:
            return
        found = detector.find(still)
        self._analysed_at, self._pictures = still.at, self._pictures + 1
        tally.take(found, still.at)
        assert self._blindness is not None
        self._blindness.feed(motion.boxes, found, still.at)

    def _tally_for(self, still: Still) -> Tally | None:
        """Give the tally, begun with the first picture; None while pictures have another shape."""
        aspect = still.width / still.height
        if self._aspect is None:
            self._aspect = aspect
        if abs(aspect / self._aspect - 1) > ODD:
            return None
        if self._tally is None:
            self._tally = Tally(self._scene, self._aspect, max(self._begin, still.at))
            self._blindness = Blindness(self._scene, self._aspect)
        return self._tally

    @property
    def _scene(self) -> Scene:
        return self._camera.scene
