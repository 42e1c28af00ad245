"""The window step at work: sorts samples into windows and closes them when their time has come.

Windows are labelled in UTC and measured in boot time, so a clock that is set neither loses nor doubles
what was measured: open windows get the label that fits when they were observed. A sample of a window that
was published already is dropped and counted in ``late``.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

from msgspec import Struct

from agent.core.clock import Instant
from agent.core.point import Kind, Point
from agent.core.product import Statistic
from agent.core.record import Aggregate, State
from agent.core.sample import Meter, Quality, Sample
from agent.core.step import Item, Scene
from pipelines._personal import may_be_kept
from pipelines.windows.cell import Cell
from pipelines.windows.counter import Counter
from pipelines.windows.figures import aggregate
from pipelines.windows.frame import Frame
from pipelines.windows.handover import after, fresh, restore, unseen
from pipelines.windows.kept import Kept, KeptFrame, pack, read, write
from pipelines.windows.published import Published
from pipelines.windows.spans import span

_STEP: Final = 1.0  # a change of UTC against boot time by more is a step, not a drift
_AHEAD: Final = 86400.0  # a stamp further in the future is no stamp
_AT_ONCE: Final = 64  # windows published at one tick; after a long standstill the rest follow
_GOOD: Final = Quality.GOOD
_BAD: Final = Quality.BAD


class Terms(Struct, frozen=True):
    """What the settings ask for: the length as text, the statistics, and when a window is late or partial."""

    length: str
    statistics: tuple[Statistic, ...]
    late: float
    coverage: float


class Windows:
    """Open windows of a product's points."""

    def __init__(self, terms: Terms, scene: Scene) -> None:
        self.late = 0
        self._terms = terms
        self._points = scene.points
        self._counters = tuple(point.name for point in scene.points if point.kind is Kind.COUNTER)
        # a window of people that is told sooner would say that somebody passed just after it
        self._waits = any(point.tells_of_few or point.kind is Kind.COUNT for point in scene.points)
        self._span = span(terms.length, scene.zone)
        self._now = scene.now
        self._offset = scene.now.offset
        self._published = Published()
        self._sure = Published()  # those whose labels were trusted: the only ones another boot may respect
        self._base: dict[str, tuple[float, float, str]] = {}  # last published readings, boot time, meter
        self._frames: deque[Frame] = deque()
        self._cells: dict[str, Cell] = {}
        self._frame_of: dict[str, Frame] = {}
        self._begin(scene)

    def feed(self, item: Item) -> Iterable[Item]:
        """Count a sample; let everything else pass."""
        if item.__class__ is not Sample:
            return self._note_meter(item) if isinstance(item, Meter) else (item,)
        cell = self._cells.get(item.point)
        if cell is None:
            return ()
        at, value, quality = item.at, item.value, item.quality
        if not cell.since <= at < cell.end:
            return self._elsewhere(cell, item)
        # the difference of a number with itself is zero only if the number is finite
        if value is None or quality is _BAD or value - value != 0.0:
            cell.miss(item.why or "bad", at)
            return ()
        cell.take(value, at)
        if quality is not _GOOD:
            cell.doubtful(item.why or "uncertain")
        return ()

    def tick(self, now: Instant) -> Iterator[Item]:
        """Give the aggregates of the windows whose end, and the time for late samples, have passed.

        Where every point has spoken since the end, no late sample is waited for: each speaks in order. What
        counts passages, or tells of few, always waits: when it is told must say nothing of who passed.
        """
        self._now = now
        if abs(now.offset - self._offset) > _STEP:
            self._relabel(now)
        for _ in range(_AT_ONCE):
            frame = self._frames[0]
            if not frame.over and not self._is_told(frame, now.boot):
                break
            yield from self._close(frame, now)

    def _is_told(self, frame: Frame, now: float) -> bool:
        if now < frame.until + self._terms.late:
            done = all(own is not frame for own in self._frame_of.values())
            return done and now >= frame.until and not self._waits
        return True

    def blocked(self, utc: float) -> list[tuple[float, float]]:
        """List the stretches ahead of *utc* whose windows were published already, in UTC seconds."""
        return self._published.after(utc)

    def save(self, *, stopping: bool) -> Any:  # noqa: ANN401 - plain JSON values
        """Give counter readings and published windows; when stopping, the open windows too."""
        offset = self._now.offset
        counters = {name: (value, at + offset) for name, (value, at, _) in self._base.items()}
        meters = {name: meter for name, (_, _, meter) in self._base.items() if meter}
        for name, reading, meter in self._first_readings():
            counters[name] = (reading, self._now.utc)
            meters |= {name: meter} if meter else {}
        return write(
            Kept(
                length=self._terms.length,
                at=self._now.utc,
                counters=counters,
                published=self._sure.stretches(),
                open=[self._pack(frame) for frame in self._frames] if stopping else [],
                meters=meters,
            )
        )

    # --- samples that do not simply follow the one before -------------------------------------------

    def _elsewhere(self, cell: Cell, sample: Sample) -> Iterable[Item]:
        """Take a sample that belongs to a later window, to an earlier one, or before its predecessor."""
        at = sample.at
        if not at < self._now.boot + _AHEAD:
            self.late += 1
            return ()
        if at >= cell.end:
            while at >= cell.end:
                cell = self._advance(sample.point)
            return self.feed(sample)
        usable = sample.value is not None and sample.quality is not _BAD and sample.value - sample.value == 0
        own = self._open_cell(sample.point, at)
        if own is None:
            self.late += 1
        elif usable:
            assert sample.value is not None
            own.amend(sample.value)
            if sample.quality is not _GOOD:
                own.doubt = sample.why or "uncertain"
        return ()

    def _note_meter(self, mark: Meter) -> Iterable[Item]:
        """Take word of which meter a counter is read from."""
        cell = self._cells.get(mark.point)
        if cell is not None and cell.counting and mark.at < self._now.boot + _AHEAD:
            while mark.at >= cell.end:
                cell = self._advance(mark.point)
            cell.read_by(mark.meter, new=mark.new)
        return ()

    def _open_cell(self, point: str, at: float) -> Cell | None:
        """Find the cell of *point* for boot time *at* among the windows that are still open."""
        for frame in self._frames:
            if frame.begin <= at < frame.until and not frame.over:
                return frame.cells.get(point) or self._cells[point]
        return None

    # --- one window to the next ---------------------------------------------------------------------

    def _advance(self, point: str) -> Cell:
        """Put a point's cell aside with its window, and give the one of the next window."""
        cell, frame = self._cells[point], self._frame_of[point]
        cell.finish()
        frame.cells[point] = cell
        following = self._following(frame)
        self._frame_of[point] = following
        self._cells[point] = cell = cell.next(following.begin, following.until)
        return cell

    def _following(self, frame: Frame) -> Frame:
        """Give the window after *frame*, opened if it is not yet."""
        place = self._frames.index(frame) + 1
        if place == len(self._frames):
            self._offset = self._now.offset
            window = self._span.around(frame.end)
            self._frames.append(Frame(window, self._offset, window[0] - self._offset))
        return self._frames[place]

    def _close(self, frame: Frame, now: Instant) -> Sequence[Aggregate]:
        """Take *frame*, the oldest, out of the open ones and summarise it, unless it was published before."""
        for name, own in self._frame_of.items():
            if own is frame:
                self._advance(name)
        self._frames.popleft()
        window = (frame.start, frame.end)
        if window in self._published:
            self._discard(frame)
            return ()
        synced = now.synced if frame.synced is None else frame.synced
        self._published.add(*window)
        if synced:
            self._sure.add(*window)
        return [self._summarise(point, frame, synced=synced) for point in self._points]

    def _summarise(self, point: Point, frame: Frame, *, synced: bool) -> Aggregate:
        """Give the aggregate of *point*; what it does not tell of a counter goes into the next window."""
        cell = frame.cells.pop(point.name, None) or unseen(point, frame)  # let go one by one, not all at once
        terms = self._terms
        told = aggregate(frame, cell, terms.statistics, coverage=terms.coverage, synced=synced)
        if told.state is State.NO_DATA and cell.delta():
            self._hand_down(point.name, cell)
        elif isinstance(cell, Counter) and cell.reading is not None:
            self._base[point.name] = (cell.reading, cell.read_at, cell.meter)
        return told

    def _discard(self, frame: Frame) -> None:
        """Drop a window whose label was published; what its counters counted goes into the next one."""
        for name, cell in frame.cells.items():
            self.late += cell.n
            self._hand_down(name, cell)

    def _hand_down(self, name: str, cell: Cell) -> None:
        """Let the next window of a counter count from where *cell* began to."""
        heir = self._frames[0].cells.get(name) or self._cells.get(name)
        if not (isinstance(heir, Counter) and isinstance(cell, Counter)):
            return
        if cell.base is not None or cell.parted:
            heir.inherit(cell)
            heir.first = False  # its first reading is the second one
            heir.doubt = heir.doubt or "clock"

    # --- the time of day was set --------------------------------------------------------------------

    def _relabel(self, now: Instant) -> None:
        """Give every open window the label that fits the boot time of its samples by the new clock."""
        frames, self._frames = self._frames, deque()
        self._offset = now.offset
        for frame in frames:
            last = self._frames[-1] if self._frames else None
            if not frame.over:
                window = self._span.around(frame.middle(now.boot) + now.offset)
                if last is not None and not last.over and last.start == window[0]:
                    self._merge(frame, last)
                    continue
                if window[0] != frame.start:
                    self._mark(frame)
                frame.label(window, now.offset)
            self._frames.append(frame)
        for name, cell in self._cells.items():
            cell.end = self._frame_of[name].until
        for frame in self._frames:
            for cell in frame.cells.values():
                cell.end = frame.until

    def _mark(self, frame: Frame) -> None:
        """Say of every point of *frame* that its window was shifted."""
        for cell in self._cells_of(frame).values():
            cell.doubt = "clock"

    def _merge(self, later: Frame, into: Frame) -> None:
        """Make one window of two that turned out to have the same label."""
        for name, cell in self._cells_of(later).items():
            cell.absorb(into.cells.pop(name))  # on its way to the later one it passed through this one
            cell.doubt = cell.doubt or "clock"
            if self._frame_of[name] is later:
                self._frame_of[name] = into
            else:
                into.cells[name] = cell

    def _cells_of(self, frame: Frame) -> dict[str, Cell]:
        """Give the cells of *frame*, those that are still counting included."""
        counting = {name: cell for name, cell in self._cells.items() if self._frame_of[name] is frame}
        return frame.cells | counting

    # --- from one run to the next -------------------------------------------------------------------

    def _begin(self, scene: Scene) -> None:
        """Open the window of this moment, and go on from what an earlier run saved."""
        now = scene.now
        current = Frame(self._span.around(now.utc), now.offset, now.boot)
        handed: dict[str, Cell] = {}
        if scene.saved is not None:
            handed = self._go_on(read(scene.saved), current)
        self._frames.append(current)
        for point in self._points:
            cell = handed.get(point.name) or fresh(point, current, self._base.get(point.name))
            self._cells[point.name], self._frame_of[point.name] = cell, current

    def _go_on(self, kept: Kept, current: Frame) -> dict[str, Cell]:
        """Take over what *kept* says; give the cells that go on in the window *current*."""
        now, points = self._now, {point.name: point for point in self._points}
        for name, (value, utc) in kept.counters.items():
            if (point := points.get(name)) is not None and point.kind is Kind.COUNTER:
                self._base[name] = (value, utc - now.offset, kept.meters.get(name, ""))
        if kept.length != self._terms.length:
            return {}
        self._published, self._sure = Published(kept.published), Published(kept.published)
        handed: dict[str, Cell] = {}
        for old in kept.open:
            frame, cells = restore(old, points, now, stopped=kept.at)
            if (old.start, old.end) == (current.start, current.end):
                handed |= cells
                continue
            for cell in cells.values():
                cell.finish()
            frame.cells = cells
            self._frames.append(frame)
            handed |= {name: after(cell, current, stopped=kept.at) for name, cell in cells.items()}
        return handed

    def _first_readings(self) -> Iterator[tuple[str, float, str]]:
        """Give the first reading, and its meter, of each counter of which nothing was published yet."""
        for name in [one for one in self._counters if one not in self._base]:
            cells = [frame.cells[name] for frame in self._frames if name in frame.cells] + [self._cells[name]]
            counted = [one for one in cells if isinstance(one, Counter)]
            bases = [(one.base, one.meter) for one in counted if one.base is not None]
            if bases:
                yield name, *bases[0]

    def _pack(self, frame: Frame) -> KeptFrame:
        synced = self._now.synced if frame.synced is None else frame.synced
        cells = {
            name: pack(cell, self._now)
            for name, cell in self._cells_of(frame).items()
            if may_be_kept(cell.point)
        }
        return KeptFrame(frame.start, frame.end, synced, cells)
