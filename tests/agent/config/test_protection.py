"""How a product is protected is compiled from what was written, and nobody hears a count twice."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from agent.config.load import load
from agent.core.errors import ConfigError
from agent.core.plan import Plan
from agent.core.product import Privacy

CASES = Path(__file__).parents[2] / "cases" / "config"
TODAY = date(2027, 1, 1)
HOUSE = '\n[link.house]\ndriver = "modbus-tcp"\nhost = "10.20.0.41"\n\n'
HOURS = """
[product.hours]
from = ["door.in"]
window = "1h"
statistics = ["sum"]
privacy = { mode = "suppress", k = 5 }

[recipient.university]
via = "city"
username = "uni"
party = "University"

[grant.hours]
recipient = "university"
products = ["hours"]
purpose = "research"
basis = "public-task"
keep = "30d"
"""

pytestmark = pytest.mark.usefixtures("small_plugins", "usual_folders")


def protected() -> str:
    return (CASES / "valid-protected" / "site.toml").read_text("utf-8")


def compiled(folder: Path, text: str) -> Plan:
    (folder / "site.toml").write_text(text, "utf-8")
    return load(folder, today=TODAY)


def refusal(folder: Path, text: str) -> str:
    with pytest.raises(ConfigError) as caught:
        compiled(folder, text)
    return str(caught.value)


def test_a_preset_stands_for_its_numbers(tmp_path: Path) -> None:
    modes = {one.id: one.privacy for one in compiled(tmp_path, protected()).products}
    assert modes["square"] == Privacy(mode="suppress", k=10, round=5)
    assert modes["homes"] == Privacy(mode="min-sources", min_sources=15, max_share=0.15)


def test_the_reach_of_a_passage_is_derived_from_the_product(tmp_path: Path) -> None:
    text = protected().replace('from = ["door.in"]', 'from = ["door.*"]')
    text = text.replace('"flow", "out", "square", "homes"', '"flow", "homes"')
    text = text[: text.index("[product.out]")] + text[text.index("[product.homes]") :]
    (flow, _) = compiled(tmp_path, text).products
    assert flow.privacy.sensitivity == 2, "in and out"
    assert flow.privacy.scale == 4, "two counts, epsilon one half"


def test_at_one_broker_nobody_can_subtract(tmp_path: Path) -> None:
    told = refusal(tmp_path, protected() + HOURS)
    assert '"university" is at the same broker as "city", and "city" has "door.in" in product "flow"' in told


def test_a_workplace_leaves_as_a_home_does(tmp_path: Path) -> None:
    desk = '[device.desk]\nlink = "house"\n[device.desk.points]\n'
    desk += 'co2 = { addr = 1, scope = "workspace", unit = "ppm" }\n'
    air = '[product.air]\nfrom = ["desk.co2"]\nwindow = "1h"\nstatistics = ["mean"]\n'
    told = refusal(tmp_path, protected() + HOUSE + desk + air)
    assert '"desk.co2" tells about few people at work: it leaves combined with others' in told


@pytest.mark.parametrize("scope", ["public", "building"])
def test_a_building_and_a_street_may_leave_bare(tmp_path: Path, scope: str) -> None:
    hall = '[device.lobby]\nlink = "house"\n[device.lobby.points]\n'
    hall += f'co2 = {{ addr = 1, scope = "{scope}", unit = "ppm" }}\n'
    air = '[product.air]\nfrom = ["lobby.co2"]\nwindow = "1m"\nstatistics = ["mean"]\n'
    plan = compiled(tmp_path, protected() + HOUSE + hall + air)
    assert {one.id for one in plan.products} >= {"air"}


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("k = 10, round = 5", "k = 5, round = 5"),
        ('keep = "30d"', 'keep = "20d"'),
        ('[product.flow]\nfrom = ["door.in"]', '[product.flow]\nfrom = ["door.in"]\ntitle = "In"'),
        ("max_release_cells = 8", "max_release_cells = 9"),
    ],
)
def test_the_policy_is_called_by_how_it_protects(tmp_path: Path, old: str, new: str) -> None:
    text = protected() + '\n[owner]\nname = "City of Vaasa"\nmax_release_cells = 8\n'
    assert old in text
    assert compiled(tmp_path, text).policy != compiled(tmp_path, text.replace(old, new)).policy


# --- what is refused, and what is not -----------------------------------------------------------------


def faults(report: str) -> list[str]:
    """Give the faults of a report, without their places."""
    return [line.partition(": ")[2] for line in report.splitlines() if line.startswith("site.toml:")]


def counts(privacy: str, *, statistics: str = '"sum"', more: str = "") -> str:
    """Give the usual site with the product of the doors written anew."""
    whole = protected()
    begin, end = whole.index("[product.flow]"), whole.index("[product.square]")
    product = f'[product.flow]\nfrom = ["door.*"]\nwindow = "15m"\nstatistics = [{statistics}]\n'
    text = whole[:begin] + product + f"privacy = {privacy}\n{more}\n" + whole[end:]
    return text.replace('"flow", "out", "square"', '"flow", "square"')


def homes(privacy: str) -> str:
    """Give the usual site with the product of five of the homes written anew."""
    text = protected().replace('["flat-*.energy"]', str([f"flat-{n}.energy" for n in range(1, 6)]))
    return text.replace('{ preset = "15/15" }', privacy)


def test_bare_counts_are_asked_about_once(tmp_path: Path) -> None:
    asked = [one for one in compiled(tmp_path, counts("{}")).warnings if "unprotected" in one]
    assert len(asked) == 1
    assert '"door.in" counts and leaves unprotected; if it counts people,' in asked[0]


def test_a_home_is_not_told_of_by_month_and_threshold(tmp_path: Path) -> None:
    text = protected().replace('combine = { name = "flats.energy" }\nwindow = "1h"', 'window = "month"')
    [told] = faults(refusal(tmp_path, text.replace('{ preset = "15/15" }', '{ mode = "suppress" }')))
    assert told.startswith('"flat-1.energy" tells about one home: it leaves combined with others')
    bare = compiled(tmp_path, text.replace('privacy = { preset = "15/15" }', ""))
    assert next(one for one in bare.products if one.id == "homes").privacy == Privacy()


def test_beside_a_point_that_is_not_there_nothing_is_said_of_those_that_are(tmp_path: Path) -> None:
    few = homes('{ mode = "min-sources", min_sources = 6 }')
    assert faults(refusal(tmp_path, few)) == ["5 devices: fewer than the 6 that are needed"]
    gone = few.replace("'flat-5.energy'", '"flat-55.energy"')
    assert faults(refusal(tmp_path, gone)) == ['no device is called "flat-55"']
    odd = counts('{ mode = "suppress" }').replace('["door.*"]', '["door.in", "flat-1.enrgy"]')
    assert faults(refusal(tmp_path, odd)) == ['no point is called "flat-1.enrgy"']


def test_of_a_protected_product_whose_step_cannot_work_the_step_is_told(tmp_path: Path) -> None:
    step = 'steps = [{ use = "derive", point = "x", of = "door.inn" }]'
    told = faults(refusal(tmp_path, counts('{ mode = "suppress" }', more=step)))
    assert told == ['"door.inn" does not reach this step']


def test_of_homes_whose_step_cannot_work_the_step_alone_is_told(tmp_path: Path) -> None:
    step = '\nsteps = [{ use = "derive", point = "x.y", of = "door.inn" }]'
    told = faults(refusal(tmp_path, homes('{ mode = "min-sources" }' + step)))
    assert told == ['"door.inn" does not reach this step']


@pytest.mark.parametrize("share", [0.2, 0.3])
def test_a_share_that_equal_homes_keep_is_none_that_somebody_must_exceed(
    tmp_path: Path, share: float
) -> None:
    plan = compiled(tmp_path, homes(f'{{ mode = "min-sources", max_share = {share} }}'))
    assert next(one for one in plan.products if one.id == "homes").privacy.max_share == share


def test_the_noise_of_a_count_alone_is_for_one_passage_however_often_it_is_read(tmp_path: Path) -> None:
    text = protected().replace('[device.door]\nlink = "hall"', '[device.door]\nlink = "hall"\nevery = "1s"')
    (flow, *_) = compiled(tmp_path, text).products
    assert (flow.points[0].every, flow.privacy.sensitivity) == (1.0, 1)


def test_what_tells_of_nobody_may_leave_by_the_minute(tmp_path: Path) -> None:
    air = '[device.lobby]\nlink = "house"\n[device.lobby.points]\nco2 = { addr = 1, unit = "ppm" }\n'
    air += '[product.air]\nfrom = ["lobby.co2"]\nwindow = "1m"\nstatistics = ["mean"]\n'
    text = protected().replace('"homes"]', '"homes", "air"]') + HOUSE + air
    assert "city.air" in [one.id for one in compiled(tmp_path, text).routes]


def test_of_a_recipient_that_is_not_there_nothing_more_is_said(tmp_path: Path) -> None:
    text = protected() + HOURS.replace('recipient = "university"', 'recipient = "universty"')
    assert faults(refusal(tmp_path, text)) == ['no recipient is called "universty"']


def test_of_protected_counts_that_are_granted_the_releases_are_counted(tmp_path: Path) -> None:
    twice = (CASES / "one-count-released-twice" / "site.toml").read_text("utf-8")
    assert "goes into 2 figures of a window" in refusal(tmp_path, twice)
    bare = twice.replace('privacy = { mode = "suppress" }', "")
    once = twice[: twice.index("[grant.office]")]
    assert all(compiled(tmp_path, text).products for text in (bare, once))
