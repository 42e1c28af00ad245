"""Small counts wait for more: disjoint cells, each of at least k, none beyond the end of the site's day."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from agent.core.product import Longest, Privacy
from agent.core.record import Aggregate, State
from agent.privacy.hold import hold, joined, period_of

K5 = Privacy(mode="hold", k=5)
HELSINKI = ZoneInfo("Europe/Helsinki")
NOON = datetime(2026, 6, 30, 9, tzinfo=UTC).timestamp()  # 12 o'clock in Helsinki
QUARTER = 900.0


def window(n: int, value: float | None, *, start: float = NOON, state: State = State.OK) -> Aggregate:
    seen = 0.0 if state is State.NO_DATA else 1.0
    return Aggregate("door.in", start + n * QUARTER, QUARTER, 15, (value,), state, seen)


def run(
    *windows: Aggregate, privacy: Privacy = K5, longest: Longest = "day"
) -> tuple[list[Aggregate], Aggregate | None]:
    told: list[Aggregate] = []
    waiting: Aggregate | None = None
    for one in windows:
        ready, waiting = hold(waiting, one, privacy, period_of(longest, HELSINKI))
        told += ready
    return told, waiting


def cells(told: list[Aggregate]) -> list[tuple[float, float, float | None]]:
    return [((one.start - NOON) / QUARTER, one.width / QUARTER, one.values[0]) for one in told]


def test_a_large_count_is_told_at_once() -> None:
    told, waiting = run(window(0, 5.0))
    assert (told, waiting) == ([window(0, 5.0)], None)


def test_a_small_count_waits_until_it_is_k_together_with_the_next() -> None:
    told, waiting = run(window(0, 3.0), window(1, 1.0), window(2, 2.0), window(3, 9.0))
    assert cells(told) == [(0, 3, 6.0), (3, 1, 9.0)]
    assert waiting is None
    assert told[0].n == 45


def test_nobody_waits_too_and_is_never_told_as_zero() -> None:
    told, waiting = run(window(0, 0.0), window(1, 0.0))
    assert told == []
    assert waiting is not None
    assert (waiting.values, waiting.width) == ((0.0,), 2 * QUARTER)


def test_what_is_told_is_rounded_only_once_it_is_enough() -> None:
    told, _ = run(window(0, 8.0), window(1, 5.0), privacy=Privacy(mode="hold", k=10, round=5))
    assert cells(told) == [(0, 2, 15)]
    assert told[0].n is None


def test_no_cell_crosses_the_end_of_the_sites_day() -> None:
    late = datetime(2026, 6, 30, 20, 30, tzinfo=UTC).timestamp()  # half an hour before midnight in Helsinki
    told, waiting = run(*(window(n, 2.0, start=late) for n in range(3)))
    assert [(one.state, one.width, one.values, one.n) for one in told] == [
        (State.SUPPRESSED, 2 * QUARTER, (None,), None)
    ]
    assert waiting is not None
    assert waiting.start == late + 2 * QUARTER


def test_a_week_and_a_month_are_longer() -> None:
    late = datetime(2026, 6, 30, 20, 45, tzinfo=UTC).timestamp()  # Tuesday, the last of the month
    for longest, waits in (("day", False), ("week", True), ("month", False)):
        told, waiting = run(window(0, 2.0, start=late), longest=longest)  # type: ignore[arg-type]
        assert (waiting is not None) is waits
        assert [one.state for one in told] == ([] if waits else [State.SUPPRESSED])


def test_a_window_without_data_ends_the_cell_and_is_told_as_such() -> None:
    silent = window(1, None, state=State.NO_DATA)
    told, waiting = run(window(0, 3.0), silent, window(2, 3.0))
    assert [one.state for one in told] == [State.SUPPRESSED, State.NO_DATA]
    assert waiting == window(2, 3.0)


def test_what_does_not_touch_is_not_bridged() -> None:
    for other in (window(2, 4.0), window(-4, 4.0), replace(window(1, 4.0), synced=False)):
        told, waiting = run(window(0, 3.0), other)
        assert [(one.state, one.start) for one in told] == [(State.SUPPRESSED, NOON)]
        assert waiting == other


def test_doubt_about_a_part_is_doubt_about_the_cell() -> None:
    part = replace(window(0, 3.0), state=State.PARTIAL, coverage=0.5, why="no_reply")
    told, _ = run(part, window(1, 3.0))
    assert (told[0].state, told[0].coverage, told[0].why) == (State.PARTIAL, 0.75, "no_reply")


def test_how_much_of_a_cell_was_seen_is_told_to_a_hundredth_of_a_percent() -> None:
    blind = replace(window(0, 1.0), coverage=0.0)
    told, _ = run(blind, window(1, 1.0), window(2, 3.0))
    assert told[0].coverage == 0.6667


def test_a_statistic_that_only_some_windows_have_is_added_up_over_those() -> None:
    rows = [(3.0, None, None), (4.0, None, 6.0), (4.0, None, None)]
    windows = [replace(window(n, 0.0), values=row) for n, row in enumerate(rows)]
    told, _ = run(*windows, privacy=Privacy(mode="hold", k=6))
    assert [(one.width / QUARTER, one.values) for one in told] == [(2, (7.0, None, 6.0))]
    assert joined(windows[1], windows[2]).values == (8.0, None, 6.0)


def test_of_a_cell_nobody_knows_the_samples_unless_they_are_known_of_both_parts() -> None:
    known, withheld = window(0, 3.0), replace(window(1, 3.0), n=None)
    assert joined(known, known).n == 30
    assert joined(known, withheld).n is joined(withheld, known).n is None


COUNTS = st.lists(st.none() | st.integers(0, 12), min_size=1, max_size=150)


@given(COUNTS, st.integers(2, 12), st.sampled_from(["day", "week", "month"]))
def test_cells_are_disjoint_cover_k_and_lose_nothing_that_is_not_told(
    counts: list[int | None], k: int, longest: Longest
) -> None:
    windows = [
        window(n, None if one is None else float(one), state=State.NO_DATA if one is None else State.OK)
        for n, one in enumerate(counts)
    ]
    told, waiting = run(*windows, privacy=Privacy(mode="hold", k=k), longest=longest)
    everything = [*told, *([waiting] if waiting else [])]
    edges = [(one.start, one.start + one.width) for one in everything]
    assert [start for start, _ in edges] == [NOON, *(end for _, end in edges[:-1])], "no hole, no overlap"
    assert edges[-1][1] == NOON + len(counts) * QUARTER
    published = [one.values[0] for one in told if one.values[0] is not None]
    assert all(one >= k for one in published)
    lost = sum(one.state is State.SUPPRESSED for one in told)
    assert sum(published) + (k - 1) * (lost + (waiting is not None)) >= sum(one or 0 for one in counts)
    period = period_of(longest, HELSINKI)
    assert all(period(start) == period(end - QUARTER) for start, end in edges)
