"""The doctor's facts are those of this computer, of the files and of the running gateway."""

from __future__ import annotations

import os
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.doctor import gather as edge
from agent.doctor.gather import gather
from tests.cli.conftest import SHARING, SITE
from tests.core.test_certificate import made
from tests.core.test_host import lay


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Give a site whose broker is an address, with an authority of its own, where others can come to it."""
    with tempfile.TemporaryDirectory() as name:
        yield laid(Path(name) / "site", monkeypatch)


def laid(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder.mkdir()
    monkeypatch.setenv("CONFIGURATION_DIRECTORY", str(folder))
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    ca = made(folder / "ca.pem", 30, "ec")
    sharing = SHARING.replace("broker.vaasa.example", "192.0.2.1")
    sharing = sharing.replace(':8883"', f':8883"\nca = "{ca}"')
    (folder / "site.toml").write_text(SITE.format(port=502))
    (folder / "sharing.toml").write_text(sharing)
    return folder


def test_a_sealed_certificate_is_left_to_the_service_that_can_open_it(site: Path, tmp_path: Path) -> None:
    sharing = (site / "sharing.toml").read_text()
    (site / "sharing.toml").write_text(sharing.replace(f'ca = "{site}/ca.pem"', 'ca = "credential:city-ca"'))
    [ca] = gather(site, tmp_path, tmp_path / "none").certificates
    assert 'credential "city-ca" is missing' in ca.trouble
    (site / "sealed").mkdir()
    (site / "sealed" / "city-ca").touch()
    assert gather(site, tmp_path, tmp_path / "none").certificates == ()


def test_files_and_certificates_are_looked_at_as_they_are(site: Path, tmp_path: Path) -> None:
    (site / "credentials").mkdir()
    (site / "credentials" / "city").write_text("x")
    (site / "credentials" / "city").chmod(0o644)
    (site / "site.toml").chmod(0o666)
    for one in (site.parent, site, site / "credentials"):
        one.chmod(0o755)
    facts = gather(site, tmp_path, tmp_path / "none")
    assert facts.config_fault == ""
    [ca] = facts.certificates
    assert (ca.whose, ca.role, ca.trouble) == ("city", "authority", "")
    assert ca.end - ca.begin == 30 * 86400
    assert facts.lookups == ()
    assert facts.open_files == (str(site / "site.toml"),)
    assert facts.open_credentials == (str(site / "credentials" / "city"),)
    assert not facts.running
    assert facts.free is not None
    assert facts.size is not None
    assert facts.size >= facts.free > 0
    assert ("citygate", facts.release) in facts.versions


def test_a_kernel_is_asked_where_it_tells(site: Path, tmp_path: Path) -> None:
    root = lay(
        tmp_path / "root",
        proc__swaps="Filename Type\n/dev/zram0 partition\n/var/swap file\n",
        proc__sys__kernel__seccomp__actions_avail="kill errno",
        sys__kernel__security__lsm="capability,landlock",
        sys__fs__ext4__mmcblk0p2__errors_count="2\n",
    )
    (root / "sys/fs/cgroup").mkdir()
    (root / "sys/fs/cgroup/cgroup.controllers").write_text("cpu pids\n")
    facts = gather(site, tmp_path, tmp_path / "none", root)
    assert (facts.has_seccomp, facts.has_landlock, facts.has_rtc) == (True, True, False)
    assert facts.controllers == ("cpu", "pids")
    assert facts.swaps == ("/var/swap",)
    assert facts.file_errors == 2
    bare = gather(site, tmp_path, tmp_path / "none", tmp_path / "nowhere")
    assert (bare.has_seccomp, bare.has_landlock, bare.controllers) == (False, False, None)


def test_what_links_need_is_looked_at(site: Path, tmp_path: Path) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as holder:
        holder.bind(("0.0.0.0", 0))  # noqa: S104
        port = holder.getsockname()[1]
        (site / "more.toml").write_text(
            f'[link.bms]\ndriver = "bacnet-ip"\ninterface = "127.0.0.1/8"\nport = {port}\n'
            '[link.roof]\ndriver = "sds011"\npath = "/dev/serial/by-id/none"\n'
            '[device.air]\nlink = "roof"\nscope = "public"\n'
        )
        facts = gather(site, tmp_path, tmp_path / "none")
    assert facts.config_fault == ""
    assert [(one.link, one.number, one.taken) for one in facts.ports] == [("bms", port, True)]
    assert [(one.link, one.exists) for one in facts.wants] == [("roof", False)]


def test_a_name_server_that_never_answers_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(edge, "_PATIENCE", 0.01)
    held, release = os.pipe()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_: os.read(held, 1))
    try:
        assert edge._looked_up("broker.example") == "no answer within 0.01 s"
    finally:
        os.close(release)
