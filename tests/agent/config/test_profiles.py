"""What profiles say of the devices they are for."""

from __future__ import annotations

from pathlib import Path

from agent.config.profiles import tables


def lay(folder: Path, name: str, text: str) -> None:
    file = folder / "profiles" / f"{name}.toml"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")


def test_shipped_profiles_tell_how_to_know_their_devices() -> None:
    known = tables()
    assert known["abb/b21"]["identify"]["model"]["values"] == [0x42323120]
    assert "identify" not in known["eastron/sdm630"]  # it has no register that tells its type


def test_the_sites_own_profile_wins_and_a_broken_one_tells_nothing(tmp_path: Path) -> None:
    lay(tmp_path, "abb/b21", "[identify]\nmodel = { addr = 7, values = [1] }\n")
    lay(tmp_path, "acme/boiler", "[identify]\nmaker = { addr = 1, text = ['ACME'], words = 4 }\n")
    lay(tmp_path, "acme/pump", "[identify\n")
    known = tables(tmp_path)
    assert known["abb/b21"] == {"identify": {"model": {"addr": 7, "values": [1]}}}
    assert known["acme/boiler"]["identify"]["maker"]["words"] == 4
    assert "acme/pump" not in known
