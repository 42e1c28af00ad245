"""Small counts that wait, in the whole gateway: over stops, reloads and a crash, with the outbox on disk."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace

from agent.core.errors import GatewayError
from agent.core.plan import Plan
from agent.core.product import Privacy
from pipelines.window import Window
from tests.agent.small_site import NETWORK, Site, plan
from tests.virtual import VirtualClock

POINT = "hall-meter.energy"  # grows by 6 a minute


@pytest.fixture
def site(tmp_path: Path, virtual: VirtualClock, monkeypatch: pytest.MonkeyPatch) -> Site:
    """Give a small site that is not running yet."""
    return Site(tmp_path, virtual, monkeypatch)


def held(k: int) -> Plan:
    """Give the small plan with deltas that wait until they are *k*."""
    whole = plan()
    (product,) = whole.products
    points = tuple(one for one in product.points if one.name == POINT)
    step = Window(length="1m", statistics=("delta",))
    product = replace(
        product, points=points, published=points, steps=(step,), statistics=("delta",),
        privacy=Privacy(mode="hold", k=k),
    )  # fmt: skip
    return replace(whole, products=(product,))


def cells(site: Site) -> list[tuple[str, float, float | None, str]]:
    """Give start, width, count and state, with its reason, of what has left."""
    found = []
    for body in site.city.bodies("batch"):
        [row] = body["r"]
        mark = body.get("x", {}).get(POINT, {})
        found.append(
            (body["t"][11:16], body["w"], row[2], f"{mark.get('q', 'ok')} {mark.get('why', '')}".strip())
        )
    return found


async def test_windows_leave_together_once_they_are_enough(site: Site) -> None:
    site.plan = held(20)
    async with site.running():
        await site.clock.sleep(605)
    assert cells(site)[0][:2] == ("08:00", 240)
    assert cells(site)[1] == ("08:04", 240, 24, "ok")
    assert site.city.bodies("gap") == []


async def test_a_clean_stop_lets_them_go_on(site: Site) -> None:
    site.plan = held(20)
    async with site.running():
        await site.clock.sleep(430)  # the second cell has three minutes
    async with site.running():
        await site.clock.sleep(180)
    assert [one[:2] for one in cells(site)] == [("08:00", 240), ("08:04", 240)]
    assert cells(site)[1][2] == pytest.approx(24, abs=1)
    assert site.city.bodies("gap") == []


async def test_a_reload_with_another_k_tells_what_waited_as_suppressed(site: Site) -> None:
    site.plan = held(20)
    async with site.running():
        await site.clock.sleep(430)
        await site.reload(held(30))
        await site.clock.sleep(360)
    assert [one[:2] for one in cells(site)] == [("08:00", 240), ("08:04", 180), ("08:07", 300)]
    assert [one[2] for one in cells(site)][1] is None
    assert cells(site)[1][3] == "suppressed"
    assert (cells(site)[2][2] or 0) >= 30


async def test_a_crash_is_told_for_what_waited_and_for_what_was_open(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def crash() -> None:
        async with site.running():
            await site.clock.sleep(430)
            monkeypatch.setattr(site.gateway, "tick", _broken)
            await site.ended()

    site.plan = held(20)
    with pytest.raises(GatewayError, match="ticker crashed"):
        await crash()
    site.gateway.outbox._store.abandon()  # as the end of the process does
    async with site.running():
        await site.clock.sleep(420)
    told = cells(site)
    assert told[0][:2] == ("08:00", 240)
    assert ("08:04", 180, None, "no_data crash") in told
    assert all(count is None or count >= 20 for _, _, count, _ in told)
    assert [loss["why"] for gap in site.city.bodies("gap") for loss in gap["lost"]] == ["crash"]
    assert sum(count or 0 for _, _, count, _ in told) <= NETWORK["10.0.0.5"].energy


def _broken(now: object) -> None:
    raise ZeroDivisionError(now)
