"""In the comparison a wrong, an old and a lost value are told apart, and the page holds what a run writes."""

from __future__ import annotations

import os
import socket
import struct
import subprocess
import sys
from collections.abc import Iterator
from itertools import product

import pytest
from msgspec.structs import replace

from bench.peers import ours, page, thingsboard
from bench.peers.__main__ import SIDES
from bench.peers.books import Span, Value, Verdict, judge
from bench.peers.costs import cost, family
from bench.peers.field import Trouble, serving
from bench.peers.page import Calm, Report, Result
from bench.peers.phases import PHASES
from bench.peers.site import POINTS, UNITS, age, owner, point_of, points_of, word

BEGIN = 1_795_291_200.0


def _values(points: int, seconds: int, *, late: float = 0.1) -> Iterator[Value]:
    """Give what a faultless gateway sends: a value of each point in each second."""
    for second, point in product(range(seconds), range(points)):
        at = BEGIN + second + 0.5
        yield Value(point, at, word(point, at), at + late)


def _span(seconds: float, *, mended: float = 0.0) -> Span:
    return Span(name="s", begin=BEGIN, end=BEGIN + seconds, mended=mended)


def _verdict(values: list[Value], span: Span, points: int = 3) -> Verdict:
    return judge(values, [span], range(points))["s"]


def test_a_register_tells_which_point_it_is_and_when_it_was_read() -> None:
    devices = [f"{kind}{unit}" for kind, many in UNITS.items() for unit in range(1, many + 1)]
    assert sorted(one for device in devices for one in points_of(device)) == [*range(POINTS)]
    assert {point_of("c1", 10), point_of("c5", 199), point_of("d10", 100)} == {POINTS}
    raw = word(POINTS - 1, BEGIN + 5)
    assert raw < 1 << 16
    assert owner(raw) == POINTS - 1
    assert [age(raw, BEGIN + second) for second in (4, 5, 9, 27)] == [-1, 0, 4, 22]


def test_what_arrives_whole_is_neither_wrong_nor_lost() -> None:
    verdict = _verdict(list(_values(3, 20)), _span(20, mended=BEGIN + 5))
    assert verdict == Verdict(wanted=60, arrived=60, back=verdict.back, watched=15)
    assert verdict.back == pytest.approx(0.6)


def test_a_value_under_another_name_is_wrong_and_is_missing() -> None:
    values = list(_values(3, 20))
    for at in (6, 9, 12):  # of point 0
        values[at] = values[at]._replace(raw=word(1, values[at].at))
    verdict = _verdict(values, _span(20))
    assert (verdict.wrong, verdict.lost) == (3, 2)  # one a point may be a matter of the border


def test_a_value_that_is_stamped_long_after_it_was_read_is_old_and_does_not_stand_for_its_second() -> None:
    values = list(_values(3, 20))
    for at in (30, 33, 36):  # of point 0
        values[at] = values[at]._replace(raw=word(0, values[at].at - 4))
    values[31] = values[31]._replace(raw=word(1, values[31].at - 3))
    verdict = _verdict(values, _span(20))
    assert (verdict.old, verdict.wrong, verdict.lost, verdict.arrived) == (3, 0, 2, 57)


def test_what_comes_twice_counts_once() -> None:
    values = list(_values(3, 20))
    verdict = _verdict([*values, *values[:7]], _span(20))
    assert (verdict.arrived, verdict.twice) == (60, 7)


def test_late_values_are_not_lost_and_those_that_never_come_are() -> None:
    values = list(_values(3, 20, late=300.0))
    assert _verdict(values, _span(20)).lost == 0
    assert _verdict(values[: 3 * 12], _span(20)).lost == 3 * 7


def test_a_spared_point_is_not_missed_but_must_come_back() -> None:
    values = [one for one in _values(3, 20) if one.point != 1 or one.at > BEGIN + 15]
    verdict = judge(
        values,
        [Span(name="s", begin=BEGIN, end=BEGIN + 20, mended=BEGIN + 10, spared=frozenset({1}))],
        range(3),
    )["s"]
    assert verdict.lost == 0
    assert verdict.back == pytest.approx(5.6)


def test_a_side_is_back_when_its_last_point_is_and_not_with_old_news() -> None:
    values = [one for one in _values(3, 20) if one.point != 2]
    assert _verdict(values, _span(20, mended=BEGIN + 5)).back is None
    stale = [Value(2, BEGIN + 2, word(2, BEGIN + 2), BEGIN + 6)]
    assert _verdict(values + stale, _span(20, mended=BEGIN + 5)).back is None
    fresh = [Value(2, BEGIN + 9, word(2, BEGIN + 9), BEGIN + 12)]
    assert _verdict(values + fresh, _span(20, mended=BEGIN + 5)).back == pytest.approx(7)


def _ask(port: int, unit: int, addr: int, count: int) -> bytes:
    with socket.create_connection(("127.0.0.1", port), 5) as line:
        line.settimeout(0.3)
        line.sendall(struct.pack(">HHHBBHH", 7, 0, 6, unit, 3, addr, count))
        return line.recv(300)


def test_the_field_breaks_as_it_is_told() -> None:
    with serving() as field:
        reply = _ask(field.tcp, 3, 98, 2)
        first, second = struct.unpack(">HH", reply[9:])
        assert (owner(first), owner(second)) == (point_of("d3", 98), point_of("d3", 99))
        field.be(Trouble(silent=3))
        assert _ask(field.tcp, 4, 0, 1)
        with pytest.raises(TimeoutError):
            _ask(field.tcp, 3, 0, 1)
        field.be(Trouble(refused=True))
        with pytest.raises(OSError, match="refused"):
            _ask(field.tcp, 4, 0, 1)
        field.be(Trouble(late=True))
        with pytest.raises(TimeoutError):
            _ask(field.tcp, 4, 0, 1)
        tally = field.be(Trouble())
        assert (tally.requests, tally.registers) == (4, 5)
        assert tally.line == pytest.approx((4 * 20 + 10) * 10 / 115_200)


def test_what_a_process_has_started_is_charged_to_it() -> None:
    code = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'input()'])"
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE) as process:
        while len(found := family(process.pid)) < 2:
            pass
        assert cost(process.pid).rss > cost(found[1]).rss > 0
        assert process.stdin is not None
        process.stdin.close()
    assert family(os.getpid())[0] == os.getpid()


def test_messages_of_each_side_become_the_same_values() -> None:
    at = BEGIN + 0.25
    batch = b'{"v":1,"k":"batch","t":"2026-11-21T20:00:00Z","c":["p","n","min","max"],"r":[["c2.r3",2,7,9]]}'
    assert [*ours.SIDES[0].read("citygate/1/x", batch)] == [
        (point_of("c2", 3), BEGIN, 7),
        (point_of("c2", 3), BEGIN + 0.01, 9),
    ]
    assert not [*ours.SIDES[0].read("citygate/1/x", b'{"v":1,"k":"start"}')]
    body = f'{{"d2":[{{"ts":{at * 1000:.0f},"values":{{"r3":5,"4":6}}}}]}}'.encode()
    assert [*thingsboard.SIDES[0].read("v1/gateway/telemetry", body)] == [
        (point_of("d2", 3), at, 5),
        (point_of("d2", 4), at, 6),
    ]


def _report() -> Report:
    calm = Calm(requests=20, line=0.2, cpu=0.02, rss=35, written=100, carried=9000)
    verdicts = {
        "calm": Verdict(wanted=10, arrived=10),
        "away": Verdict(wanted=10, arrived=4, lost=5, back=3.25),
    }
    sides = [
        Result(
            name=name,
            title=name,
            settings="as it comes",
            judged=True,
            short=name,
            calm=calm,
            away_written=1,
            ended=0,
            verdicts=verdicts,
        )
        for name in ("one", "two")
    ]
    return Report(
        day="2026-11-28", computer="2 cores", faults={"calm": "nothing", "away": "no broker"}, sides=sides,
        missing=["three: not installed"],
    )  # fmt: skip


def test_the_page_has_the_tables_that_a_run_writes() -> None:
    told = page.PAGE.read_text("utf-8")
    if page.NONE in told:
        pytest.skip("no whole run has been written into docs/comparison.md yet")
    report = _report()
    side = report.sides[0]
    faults = {one.name: one.what for one in PHASES}
    verdicts = dict.fromkeys(faults, Verdict())
    sides = [
        replace(
            side, name=one.name, title=one.title, short=one.short, settings=one.settings, verdicts=verdicts
        )
        for one in SIDES
    ]
    written = page.renewed("", page.tables(replace(report, faults=faults, sides=sides, missing=[])))
    assert page.shape(told) == page.shape(written)


def test_the_tables_of_a_run_take_the_place_of_the_older_ones() -> None:
    old = f"before\n{page.BEGIN}\nold\n{page.END}\nafter\n"
    new = page.renewed(old, page.tables(_report()))
    assert new.startswith("before\n")
    assert new.endswith("\nafter\n")
    assert "old" not in new
    assert "| no broker | 5 (50 %) | 5 (50 %) |" in new
    assert "| no broker | 3.25 | 3.25 |" in new
    assert "Not run: three: not installed." in new
    assert page.renewed(new, page.tables(_report())) == new
