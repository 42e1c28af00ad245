"""Where a link lives: the port is ours alone, and a fault is a sentence that says what to do."""

from __future__ import annotations

import errno
import socket
from importlib.metadata import PackageNotFoundError
from ipaddress import IPv4Interface
from pathlib import Path

import pytest

from agent.core.clock import SystemClock
from agent.core.errors import DriverError
from drivers.bacnet import identity, interface
from drivers.bacnet.client import Client, Pace
from drivers.bacnet.endpoint import Place
from drivers.bacnet.figures import Figures
from drivers.bacnet.identity import own_device
from drivers.bacnet.interface import Interface, check, find, open_sockets
from drivers.bacnet.own import derived
from drivers.bacnet.peer import Peer
from drivers.bacnet.stack import SilentError
from tests.drivers.bacnet.kit import OWN, client, ref
from tests.peers.bacnet import free_port

ADDRESSES = {
    "lo": IPv4Interface("127.0.0.1/8"),
    "eth0": IPv4Interface("10.20.0.2/24"),
    "wlan0": IPv4Interface("10.30.0.2/24"),
}


async def test_a_port_that_is_taken_is_found_at_start() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        other.bind(("127.0.0.1", 0))
        port = other.getsockname()[1]
        ours = Client(Place(interface=Interface("127.0.0.1"), port=port), OWN, Pace(), SystemClock())
        with pytest.raises(DriverError, match=rf"port {port} of 127.0.0.1 is taken .*ss -ulpn") as error:
            await ours.open()
        assert error.value.patience


def test_an_address_that_is_not_ours_is_named() -> None:
    with pytest.raises(DriverError, match=r"has not the address 192\.0\.2\.1; is the interface right"):
        open_sockets(Interface("192.0.2.1"), 0)


def test_an_interface_is_found_by_its_name_its_address_or_both() -> None:
    assert find("lo") == Interface("127.0.0.1", "127.255.255.255")
    assert find("127.0.0.1") == Interface("127.0.0.1", "127.255.255.255")
    assert find("10.20.0.2/24") == Interface("10.20.0.2", "10.20.0.255")
    assert find("10.20.0.2/32") == Interface("10.20.0.2")
    assert find("192.0.2.1") == Interface("192.0.2.1")
    with pytest.raises(DriverError, match=r"network card nonesuch has no IPv4 address; .* one of .*lo"):
        find("nonesuch")


def test_only_an_interface_without_rivals_is_chosen_unasked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(interface, "_CARDS", tmp_path)
    (tmp_path / "lo").mkdir()
    with pytest.raises(DriverError, match="no network card has one: lo"):
        interface.only()
    monkeypatch.setattr(interface, "_of", lambda name: ADDRESSES[name])
    (tmp_path / "eth0").mkdir()
    assert interface.only() == "eth0"
    (tmp_path / "wlan0").mkdir()
    with pytest.raises(DriverError, match="it may be eth0 or wlan0"):
        interface.only()


@pytest.mark.parametrize("text", ["", "10.20.0", "10.20.0.2/40", "10.20.0.300", "eth0/24"])
def test_what_names_no_interface_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no address of this computer"):
        check(text)


def test_bursts_wait_in_a_large_buffer() -> None:
    sockets = open_sockets(Interface("127.0.0.1", "127.255.255.255"), free_port())
    try:
        usual = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        with usual:
            before = usual.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF)
        assert sockets.main.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF) >= before
        assert len(sockets.ears) == 2
    finally:
        sockets.close()


def test_our_number_stays_the_same_and_differs_between_links_and_computers() -> None:
    assert own_device(None, "bms", 1.0) == own_device(None, "bms", 1.0)
    assert own_device(None, "bms", 1.0).instance != own_device(None, "other", 1.0).instance
    assert own_device(1234, "bms", 1.0).instance == 1234
    numbers = {derived(f"machine {one}") for one in range(2000)}
    assert len(numbers) > 1960
    assert all(4_000_000 <= one < 4_194_303 for one in numbers)


async def test_an_address_that_is_taken_away_ends_the_link() -> None:
    ours = Client(Place(interface=Interface("192.0.2.1"), port=0), OWN, Pace(), SystemClock())
    ours._endpoint._failed(OSError(errno.ENETUNREACH, "Network is unreachable"))
    with pytest.raises(DriverError, match=r"has not the address 192\.0\.2\.1 any more .*is its cable in"):
        await ours.watch()


async def test_a_device_out_of_reach_ends_nothing() -> None:
    async with client(Pace(timeout=0.1, retries=0)) as ours:
        with pytest.raises(SilentError):
            await ours.read(Peer.parse("240.0.0.1"), ref("analog-input,1 present-value"))
        assert not ours._endpoint._lost.done()
        assert ours.unsent == 1


async def test_broadcasts_that_another_program_keeps_to_itself_are_missed_and_that_shows() -> None:
    port = free_port()
    place = Place(interface=Interface("127.0.0.1", "127.255.255.255"), port=port)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind(("127.255.255.255", port))
        ours = Client(place, OWN, Pace(), SystemClock())
        await ours.open()
        figures: dict[str, float | str] = {}
        Figures(figures).link(ours, ())
        await ours.close()
    assert "does another BACnet program run on this computer" in str(figures["hint"])


@pytest.mark.parametrize(
    ("named", "told"),
    [
        ("10.20.0.2/24", "10.20.0.0/24"),
        ("lo", "127.0.0.0/8"),
        ("127.0.0.1", "127.0.0.0/8"),
        ("192.0.2.1", "192.0.2.1/32"),
    ],
)
def test_the_network_of_an_interface_is_told_for_the_firewall(named: str, told: str) -> None:
    assert interface.network(named) == told


def test_a_computer_that_lists_no_cards_is_asked_for_an_address(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(interface, "_CARDS", tmp_path / "none")
    with pytest.raises(DriverError, match="no network card has one"):
        interface.only()


def test_a_port_that_cannot_be_opened_says_why() -> None:
    assert interface._sentence(OSError(errno.EACCES, "Permission denied"), "10.20.0.2", 47808) == (
        "port 47808 of 10.20.0.2 cannot be opened: Permission denied"
    )


async def test_what_is_sent_to_all_subnets_may_be_missed_where_the_own_is_heard() -> None:
    port = free_port()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind(("255.255.255.255", port))
        found = open_sockets(Interface("127.0.0.1", "127.255.255.255"), port)
        assert [one.getsockname()[0] for one in found.ears] == ["127.255.255.255"]
        found.close()


def test_a_computer_without_an_identity_or_a_package_still_has_a_number_and_a_version(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unknown(name: str) -> str:
        raise PackageNotFoundError(name)

    monkeypatch.setattr(identity, "version", unknown)
    monkeypatch.setattr(identity, "_MACHINE", tmp_path / "machine-id")
    nameless = own_device(None, "bms", 1.0)
    assert nameless.software == "unknown"
    assert nameless.instance == derived(f"{socket.gethostname()}/bms")
