"""The doctor's facts are those of this computer, of the files and of the running gateway."""

from __future__ import annotations

import json
import os
import socket
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
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


@pytest.mark.parametrize(
    ("spoil", "trouble"),
    [
        (lambda path: path.unlink(), "No such file or directory"),
        (lambda path: path.write_text("nothing of the kind"), "it holds no certificate in PEM form"),
    ],
    ids=["gone", "no PEM"],
)
def test_a_certificate_that_cannot_be_read_says_why(
    site: Path, tmp_path: Path, spoil: Callable[[Path], object], trouble: str
) -> None:
    spoil(site / "ca.pem")
    [ca] = gather(site, tmp_path, tmp_path / "none").certificates
    assert (ca.path, ca.trouble) == (f"{site}/ca.pem", trouble)


def test_what_links_lack_on_this_computer_is_named(site: Path, tmp_path: Path) -> None:
    port = site / "port"
    port.touch(mode=0o600)
    os.chown(port, -1, 64_123)  # a group without a name
    (site / "more.toml").write_text(
        f'[link.roof]\ndriver = "sds011"\npath = "{port}"\n'
        '[device.air]\nlink = "roof"\nscope = "public"\n'
        '[link.later]\ndriver = "bacnet-ip"\ninterface = "eth-that-is-not-there"\n'
        '[link.bms]\ndriver = "bacnet-ip"\ninterface = "127.0.0.1/8"\nport = 0\n'
        '[link.square]\ndriver = "camera"\nsource = "rtsp://10.30.0.7/2"\nmodel = "nanodet-g"\n'
        "[link.square.lines.gate]\nfrom = [0.5, 0.9]\nto = [0.5, 0.1]\n"
    )
    facts = gather(site, tmp_path, tmp_path / "none")
    assert facts.config_fault == ""
    assert [(one.link, one.exists, one.group) for one in facts.wants] == [("roof", True, "64123")]
    assert facts.ports == ()
    assert [Path(one).name for one in facts.missing_models] == ["nanodet-g.citymodel"]


def test_a_port_that_is_free_is_not_called_taken(site: Path, tmp_path: Path) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as holder:
        holder.bind(("0.0.0.0", 0))  # noqa: S104
        port = holder.getsockname()[1]
    text = f'[link.bms]\ndriver = "bacnet-ip"\ninterface = "127.0.0.1/8"\nport = {port}\n'
    (site / "more.toml").write_text(text)
    assert [one.taken for one in gather(site, tmp_path, tmp_path / "none").ports] == [False]


def test_a_state_folder_that_is_not_there_has_no_size(site: Path, tmp_path: Path) -> None:
    facts = gather(site, tmp_path / "gone", tmp_path / "none")
    assert (facts.free, facts.size, facts.read_only) == (None, None, False)


@contextmanager
def listening(path: Path, told: dict[str, str]) -> Iterator[None]:
    """Answer everybody at *path*, also who only looks whether somebody is there."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(str(path))
        listener.listen()

        def serve() -> None:
            while True:
                guest, _ = listener.accept()
                with guest, guest.makefile() as asked:
                    wish = asked.readline()
                    if wish == "end\n":
                        return
                    if wish:
                        guest.sendall(json.dumps(told).encode() + b"\n")

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield
        finally:
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as last:
                last.connect(str(path))
                last.sendall(b"end\n")
            thread.join()


def test_the_running_gateway_is_asked_and_what_others_can_reach_of_it_is_told(
    site: Path, tmp_path: Path
) -> None:
    """We stand in for it ourselves: a socket that answers, and two that others could reach."""
    with (
        socket.socket(socket.AF_INET, socket.SOCK_STREAM) as to_others,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagrams,
        socket.socket(socket.AF_INET, socket.SOCK_STREAM) as at_home,
        listening(site.parent / "s", {"state": "online"}),
    ):
        for one, host in ((to_others, "0.0.0.0"), (datagrams, "0.0.0.0"), (at_home, "127.0.0.1")):  # noqa: S104
            one.bind((host, 0))
        to_others.listen()
        at_home.listen()
        facts = gather(site, tmp_path, site.parent / "s")
        ports = {one: one.getsockname()[1] for one in (to_others, datagrams, at_home)}
    assert (facts.running, facts.status) == (True, {"state": "online"})
    found = {(one.kind, one.local) for one in facts.listeners}
    assert ("tcp", f"0.0.0.0:{ports[to_others]}") in found
    assert ("udp", f"0.0.0.0:{ports[datagrams]}") in found
    assert not any(local.endswith(f":{ports[at_home]}") for _, local in found)


def test_the_port_that_the_running_gateway_has_itself_is_not_called_taken(site: Path, tmp_path: Path) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as holder:
        holder.bind(("0.0.0.0", 0))  # noqa: S104
        link = (
            f'[link.bms]\ndriver = "bacnet-ip"\ninterface = "127.0.0.1/8"\nport = {holder.getsockname()[1]}\n'
        )
        (site / "more.toml").write_text(link)
        assert [one.taken for one in gather(site, tmp_path, tmp_path / "none").ports] == [True]
        with listening(tmp_path / "control.sock", {}):
            found = gather(site, tmp_path, tmp_path / "control.sock")
    assert [one.taken for one in found.ports] == [False]


def test_a_gateway_that_does_not_answer_runs_all_the_same(site: Path, tmp_path: Path) -> None:
    with listening(site.parent / "s", {"error": "too many questions at once; ask again"}):
        facts = gather(site, tmp_path, site.parent / "s")
    assert (facts.running, facts.status) == (True, None)
