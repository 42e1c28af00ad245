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
