"""Every plugin keeps its contract: class, docstring, settings with descriptions, a test, a page."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, get_args, get_type_hints

import msgspec
import pytest

from agent.config.page import refreshed
from agent.core.driver import DeviceSettings, LinkSettings, PointSettings
from agent.core.search import Search
from agent.core.settings import Settings, decode_hook
from agent.registry import Family, kinds, plugin
from bench import _cost_page as cost_page
from bench._plot import drawn
from bench.curves import CURVES

ROOT = Path(__file__).parent.parent
HOMES = {
    "driver": "drivers",
    "step": "pipelines",
    "encoding": "agent/encodings",
    "search": "drivers/searches",
}
TESTS = {
    "driver": "tests/drivers",
    "step": "tests/pipelines",
    "encoding": "tests/agent/encodings",
    "search": "tests/drivers/searches",
}
PAGES = {
    "driver": "technician/drivers",
    "step": "technician/steps",
    "search": "technician/searches",
    "encoding": "city/encodings",
}
FAMILIES: tuple[Family, ...] = ("driver", "step", "encoding", "search")
PLUGINS = [(family, kind) for family in FAMILIES for kind in kinds(family)]


def test_there_are_plugins_of_each_family() -> None:
    assert {family for family, _ in PLUGINS} == set(FAMILIES)


@pytest.mark.parametrize(("family", "kind"), PLUGINS)
def test_a_plugin_is_a_documented_class_in_the_file_of_its_name(family: Family, kind: str) -> None:
    found = plugin(family, kind)
    stem = kind.replace("-", "_")
    assert (ROOT / HOMES[family] / f"{stem}.py").exists()
    assert found.__name__ == kind.title().replace("-", "")
    assert len(found.__doc__ or "") > 20


@pytest.mark.parametrize(("family", "kind"), PLUGINS)
def test_a_plugin_has_a_test_of_its_own(family: str, kind: str) -> None:
    stem = kind.replace("-", "_")
    assert list((ROOT / TESTS[family]).glob(f"**/test_{stem}*.py")), f"{TESTS[family]}/test_{stem}.py"


@pytest.mark.parametrize(("family", "kind"), PLUGINS)
def test_a_plugin_has_a_page_that_explains_each_of_its_keys(family: Family, kind: str) -> None:
    page = ROOT / "docs" / PAGES[family] / f"{kind}.md"
    assert page.exists(), page
    settings = settings_of(family, kind)
    text = page.read_text(encoding="utf-8")
    left_out = {"driver": {"name", "devices", "label", "location"}, "search": {"targets"}}.get(family, set())
    keys = [key for key in settings.__struct_fields__ if key not in left_out]
    signs = {key: f"`--{key.replace('_', '-')}" if family == "search" else f"`{key}`" for key in keys}
    assert not [key for key, sign in signs.items() if sign not in text]


@pytest.mark.parametrize("kind", kinds("driver"))
def test_a_driver_is_frozen_settings_with_devices_and_points(kind: str) -> None:
    driver = plugin("driver", kind)
    assert issubclass(driver, LinkSettings)
    assert not undescribed(driver)
    if hasattr(driver, "device_type"):  # a driver without knows its points itself
        assert issubclass(driver.device_type, DeviceSettings)
        assert issubclass(driver.device_type.point_type, PointSettings)
        for one in (driver.device_type, driver.device_type.point_type):
            assert not undescribed(one)


@pytest.mark.parametrize("kind", kinds("step"))
def test_a_step_is_frozen_settings_that_start(kind: str) -> None:
    step = plugin("step", kind)
    assert issubclass(step, Settings)
    assert callable(getattr(step, "start", None))
    assert not undescribed(step)


@pytest.mark.parametrize("kind", kinds("search"))
def test_a_search_is_frozen_settings_that_search(kind: str) -> None:
    search = plugin("search", kind)
    assert issubclass(search, Search)
    assert search.search is not Search.search
    assert (search.__doc__ or "").splitlines()[0].endswith(".")
    assert not undescribed(search)


@pytest.mark.parametrize(("family", "kind"), PLUGINS)
def test_settings_can_be_read_from_a_file(family: Family, kind: str) -> None:
    found = settings_of(family, kind)
    devices = [found.device_type, found.device_type.point_type] if hasattr(found, "device_type") else []
    for settings in (found, *devices):
        with pytest.raises(msgspec.ValidationError, match="unknown_to_all"):
            msgspec.convert({"unknown_to_all": 1}, settings, dec_hook=decode_hook)


@pytest.mark.parametrize("kind", kinds("encoding"))
def test_an_encoding_offers_every_message(kind: str) -> None:
    encoding = plugin("encoding", kind)
    for name in ("batch", "gap", "start", "time", "birth", "status", "will"):
        assert callable(getattr(encoding, name))
    assert issubclass(encoding.settings_type, Settings)
    assert not undescribed(encoding.settings_type)


@pytest.mark.parametrize("kind", kinds("encoding"))
def test_the_page_of_an_encoding_has_the_table_of_its_keys(kind: str) -> None:
    text = (ROOT / "docs" / PAGES["encoding"] / f"{kind}.md").read_text("utf-8")
    assert f"<!-- keys of encoding.{kind} -->" in text or not settings_of("encoding", kind).__struct_fields__
    assert refreshed(text) == text, f"run: python -m agent.config.page docs/city/encodings/{kind}.md"


def test_the_page_of_costs_its_fits_and_its_plot_say_the_same() -> None:
    page = cost_page.PAGE.read_text("utf-8")
    found = cost_page.steps_of(page)
    assert {thing: [one.size for one in steps] for thing, steps in found.items()} == {
        one.thing: list(one.sizes) for one in CURVES
    }
    assert cost_page.renewed(page, found) == page, "run: python -m bench._cost_page"
    assert cost_page.PLOT.read_text("utf-8") == drawn(found), "run: python -m bench._cost_page"


def test_profiles_have_golden_values() -> None:
    for profile in (ROOT / "config" / "profiles").rglob("*.toml"):
        golden = ROOT / "tests" / "profiles" / profile.relative_to(ROOT / "config" / "profiles")
        assert golden.exists(), golden


def settings_of(family: Family, kind: str) -> type[Any]:
    """Give what a person writes: a plugin is its own settings, but for an encoding, which has some."""
    found = plugin(family, kind)
    return found.settings_type if family == "encoding" else found


def undescribed(settings: type[Settings]) -> list[str]:
    """List the keys without a description: editors and pages would have nothing to show for them."""
    assert settings.__struct_config__.frozen
    hints = get_type_hints(settings, include_extras=True)
    return [name for name in settings.__struct_fields__ if not described(hints[name])]


def described(annotation: object) -> bool:
    return any(isinstance(one, msgspec.Meta) and one.description for one in get_args(annotation))


def test_whoever_reads_json_knows_that_it_may_be_no_text() -> None:
    caught = re.compile(r"except [^:]*\bDecodeError")  # what is no UTF-8 is a ValueError, but none of these
    found = [
        path.relative_to(ROOT).as_posix()
        for folder in ("agent", "drivers", "pipelines")
        for path in (ROOT / folder).rglob("*.py")
        if caught.search(text := path.read_text("utf-8")) and "google.protobuf" not in text
    ]
    assert not found
