"""Plugins are found by name: ours by their file, third parties' by their entry points."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from zipfile import ZipFile

import pytest

from agent import registry
from agent.cli.check import _strangers
from agent.cli.prove import _summary
from agent.core.errors import ConfigError
from agent.prove.record import of as record_of


@pytest.fixture
def fresh() -> Iterator[None]:
    """Forget what was found, before and after."""
    caches = (registry.kinds, registry._installed, registry._somebody_adds)
    for one in caches:
        one.cache_clear()
    yield
    for one in caches:
        one.cache_clear()


def test_a_file_is_a_plugin_and_a_folder_is_not(fresh: None) -> None:
    assert "modbus-tcp" in registry.kinds("driver")
    assert "modbus" not in registry.kinds("driver")


def test_a_third_party_adds_a_driver_by_an_entry_point(
    fresh: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    info = tmp_path / "lorawan-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: lorawan\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[citygate.drivers]\nlora-wan = city_lorawan:LoraWan\n")
    (tmp_path / "city_lorawan.py").write_text("class LoraWan:\n    pass\n")
    monkeypatch.syspath_prepend(tmp_path)
    assert "lora-wan" in registry.kinds("driver")
    assert registry.plugin("driver", "lora-wan").__name__ == "LoraWan"
    assert [one.sentence() for one in registry.strangers()] == ["driver lora-wan, of lorawan 1.0"]
    record = record_of(("vaasa", "library", "gw1"), "p", "now", "1", ())
    assert record.strangers == ("driver lora-wan, of lorawan 1.0",)
    assert "  driver lora-wan, of lorawan 1.0." in _strangers()
    assert "Outside what citygate promises, because others made it: driver lora-wan" in _summary(record, None)


def test_an_unknown_plugin_gets_the_nearest_name(fresh: None) -> None:
    with pytest.raises(ConfigError, match='did you mean "modbus-tcp"'):
        registry.plugin("driver", "modbus-tpc")


def test_what_an_entry_point_names_must_be_a_class(
    fresh: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    info = tmp_path / "lorawan-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: lorawan\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[citygate.drivers]\nlora-fun = city_lorafun:lora\n")
    (tmp_path / "city_lorafun.py").write_text("def lora():\n    pass\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(ConfigError, match="is not a class"):
        registry.plugin("driver", "lora-fun")


def test_an_archive_on_the_path_is_asked_for_plugins_too(
    fresh: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with ZipFile(tmp_path / "lorawan.zip", "w") as archive:
        archive.writestr(
            "lorawan-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: lorawan\nVersion: 1.0\n"
        )
        archive.writestr("lorawan-1.0.dist-info/entry_points.txt", "[citygate.drivers]\nlora-zip = lz:Lora\n")
    monkeypatch.syspath_prepend(str(tmp_path / "lorawan.zip"))
    assert "lora-zip" in registry.kinds("driver")
