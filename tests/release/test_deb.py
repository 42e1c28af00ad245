"""Packages are the same bytes twice, run where they are laid, and say what they contain."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import subprocess
import time
from pathlib import Path

import pytest

from release import deb, manual
from release.targets import BUILD, TARGETS, Target
from tests.peers import missing, need

EPOCH = "1764000000"


def host() -> Target:
    """Give the target of Debian 12 that runs on this computer's processor."""
    machine = platform.machine()
    return next(one for one in TARGETS.values() if (one.system, one.machine) == ("debian12", machine))


@pytest.fixture(scope="module")
def twice(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Build the gateway's package twice, in another year and under another mask of rights."""
    need("dpkg-deb")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SOURCE_DATE_EPOCH", EPOCH)
        patch.setenv("COLUMNS", "60")
        [first] = deb.build(host(), tmp_path_factory.mktemp("first"), ["citygate"])
        patch.setenv("COLUMNS", "200")
        patch.setenv("TZ", "Pacific/Auckland")
        time.tzset()
        before = os.umask(0o077)
        try:
            [second] = deb.build(host(), tmp_path_factory.mktemp("second"), ["citygate"])
        finally:
            os.umask(before)
    time.tzset()
    return first, second


def said(*words: str) -> str:
    return subprocess.run(words, stdout=subprocess.PIPE, text=True, check=True).stdout


def test_the_same_source_makes_the_same_bytes(twice: tuple[Path, Path]) -> None:
    first, second = twice
    assert first.read_bytes() == second.read_bytes()


@pytest.mark.long
def test_the_package_of_the_cameras_is_the_same_bytes_twice_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    need("dpkg-deb")
    monkeypatch.setenv("SOURCE_DATE_EPOCH", EPOCH)
    made = [deb.build(host(), tmp_path / name, ["citygate-vision"])[0] for name in ("first", "second")]
    first, second = (hashlib.sha256(one.read_bytes()).hexdigest() for one in made)
    assert first == second


def test_everything_belongs_to_root_and_nothing_can_be_written_by_others(twice: tuple[Path, Path]) -> None:
    for line in said("dpkg-deb", "--contents", str(twice[0])).splitlines():
        rights, owner = line.split()[:2]
        assert owner == "root/root", line
        assert rights[0] == "l" or rights[8] == "-", line


def test_for_another_processor_and_python_nothing_of_this_one_is_packed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", EPOCH)
    [made] = deb.build(TARGETS["debian13-arm64"], tmp_path, ["citygate"])
    subprocess.run(["dpkg-deb", "--raw-extract", str(made), str(tmp_path / "tree")], check=True)
    libraries = list((tmp_path / "tree").rglob("*.so"))
    assert libraries
    for one in libraries:
        assert one.read_bytes()[18] == 183, one  # e_machine of an ELF file: AArch64
        assert "cpython-313-" in one.name
    assert "python3 (>= 3.13~), python3 (<< 3.14)" in (tmp_path / "tree/DEBIAN/control").read_text("utf-8")
    assert (tmp_path / made.name).with_suffix(".sbom.cdx.json").is_file()


def test_no_file_knows_the_folder_where_it_was_packed(twice: tuple[Path, Path]) -> None:
    tree = BUILD / "tree" / host().name / "citygate"
    for path in tree.rglob("*"):
        if path.is_file() and not path.is_symlink():
            assert str(BUILD.parent).encode() not in path.read_bytes(), path


def test_the_bill_of_materials_is_cyclonedx_and_names_every_wheel(twice: tuple[Path, Path]) -> None:
    folder = BUILD / "tree" / host().name / "citygate" / "usr/share/doc/citygate"
    text = (folder / "sbom.cdx.json").read_text("utf-8")
    try:
        from cyclonedx.schema import SchemaVersion
        from cyclonedx.validation.json import JsonStrictValidator
    except ImportError:
        missing("cyclonedx-python-lib")
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
    names = {one["name"] for one in json.loads(text)["components"]}
    assert names == {"citygate", "aiomqtt", "msgspec", "paho-mqtt", "pyserial"}
    for name in names:
        assert f"{name} " in (folder / "licences.txt").read_text("utf-8")


def test_the_manual_page_has_every_command_and_no_fault(twice: tuple[Path, Path], tmp_path: Path) -> None:
    page = tmp_path / "citygate.1"
    page.write_text(manual.page("1.0", int(EPOCH)), "utf-8")
    assert ".SS citygate prove\n" in page.read_text("utf-8")
    words = [need("man"), "--warnings", "--encoding=utf8", "--local-file", str(page)]
    done = subprocess.run(
        words, capture_output=True, text=True, check=True, env={**os.environ, "MANWIDTH": "120"}
    )
    assert done.stderr == ""
    assert "citygate prove ./site --strict" in done.stdout


def test_the_scripts_of_a_package_are_shell_without_a_fault(twice: tuple[Path, Path], tmp_path: Path) -> None:
    subprocess.run(["dpkg-deb", "--control", str(twice[0]), str(tmp_path)], check=True)
    for name in ("preinst", "postinst", "prerm", "postrm"):
        assert "@" not in (tmp_path / name).read_text("utf-8").replace("$@", "")
        subprocess.run(["sh", "-n", str(tmp_path / name)], check=True)


def test_an_older_package_will_not_replace_a_newer_one_and_says_the_way_back(
    twice: tuple[Path, Path], tmp_path: Path
) -> None:
    subprocess.run(["dpkg-deb", "--control", str(twice[0]), str(tmp_path)], check=True)

    def asked(*words: str) -> subprocess.CompletedProcess[str]:
        """Ask as dpkg does: *words* are what is to be done, and the version that is installed."""
        return subprocess.run(
            ["sh", str(tmp_path / "preinst"), *words], capture_output=True, text=True, check=False
        )

    refused = asked("upgrade", "99.0+deb12")
    assert refused.returncode == 1
    assert "is older than the 99.0+deb12 that is installed" in refused.stderr
    assert "Nothing was changed." in refused.stderr
    assert "touch /etc/citygate/allow-older" in refused.stderr
    for words in (("install",), ("upgrade", "0.0.1+deb12")):
        assert (asked(*words).returncode, asked(*words).stderr) == (0, "")
