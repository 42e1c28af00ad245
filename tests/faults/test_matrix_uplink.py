"""What breaks between the gateway and the city's broker, with the real daemon and a real mosquitto."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.faults.disks import need_root
from tests.faults.matrix import Row
from tests.faults.site import Daemon
from tests.faults.trial import Trial
from tests.faults.ways import lossy
from tests.peers import need
from tests.peers.mosquitto import Authority, Tls, free_port

DEAD = ("200101", "200201")
UNBORN = ("450101", "460101")


@pytest.mark.long
def test_a_broker_that_is_killed_gets_everything_afterwards(trial: Trial) -> None:
    trial.begin()
    with trial.hurt():
        trial.broker.kill()
        trial.told("uplink-failed")
        time.sleep(2)
        trial.broker.start()
    trial.judge()


@pytest.mark.long
def test_a_broker_that_stands_still_is_noticed_and_left(trial: Trial) -> None:
    trial.begin()
    with trial.hurt():
        trial.broker.pause()
        assert trial.told("uplink-failed", seconds=40) < 25
        trial.broker.go_on()
    trial.judge()


@pytest.mark.long
def test_a_way_that_swallows_everything_is_noticed_and_taken_anew(trial: Trial) -> None:
    trial.begin(share=_through(trial))
    with trial.hurt():
        trial.broker_way.set("hole")
        assert trial.told("uplink-failed", seconds=40) < 25
        trial.broker_way.set("ok")
    trial.judge()


@pytest.mark.long
def test_packets_that_are_lost_cost_a_little_time_and_no_message(trial: Trial) -> None:
    trial.begin(share=_through(trial))
    with trial.hurt(), lossy(trial.broker_way.port, 0.2):
        time.sleep(15)
    trial.judge()


@pytest.mark.long
def test_a_slow_broker_costs_nothing(trial: Trial) -> None:
    trial.begin(share=_through(trial))
    with trial.hurt():
        trial.broker_way.set("slow", delay=0.4)
        time.sleep(8)
        trial.broker_way.set("ok")
    trial.judge()


@pytest.mark.long
def test_a_way_of_64_kbit_carries_a_backlog(trial: Trial) -> None:
    trial.begin(share=_through(trial))
    with trial.hurt():
        trial.broker_way.set("cut")
        time.sleep(10)
        trial.broker_way.set("narrow")
        trial.told("uplink-connected")
        time.sleep(5)
    trial.judge()


@pytest.mark.long
def test_messages_whose_acknowledgement_was_lost_come_again_under_their_ids(trial: Trial) -> None:
    trial.begin(share=_through(trial))
    with trial.hurt():
        trial.broker_way.set("deaf")
        time.sleep(3)
        trial.broker_way.set("cut")
        trial.told("uplink-failed")
        trial.broker_way.set("ok")
    assert trial.judge().repeats > 0


@pytest.mark.long
def test_a_city_that_has_not_subscribed_gets_all_when_it_has(trial: Trial) -> None:
    trial.begin()
    with trial.hurt():
        trial.books.leave()
        trial.told("route-held")
        time.sleep(2)
        trial.books.come_back()
    trial.judge()


@pytest.mark.long
def test_without_names_nothing_is_lost_and_the_first_answer_is_taken(trial: Trial) -> None:
    need_root()
    hosts, servers = trial.folder / "hosts", trial.folder / "servers"
    hosts.write_text("127.0.0.1 localhost broker.vaasa.example\n")
    servers.write_text("nameserver 127.0.0.2\noptions timeout:1 attempts:1\n")
    binding = f"mount --bind {hosts} /etc/hosts && mount --bind {servers} /etc/resolv.conf"

    def prepare(daemon: Daemon) -> None:
        daemon.before = [need("unshare"), "--mount", "sh", "-c", f'{binding} && exec "$@"', "sh"]

    trial.begin(
        share=lambda text: text.replace("mqtt://127.0.0.1", "mqtt://broker.vaasa.example"), prepare=prepare
    )
    with trial.hurt():
        hosts.write_text("127.0.0.1 localhost\n")
        trial.broker.kill()
        trial.broker.start()
        trial.told("uplink-failed")
        time.sleep(4)
        hosts.write_text("127.0.0.1 localhost broker.vaasa.example\n")
    trial.judge()


# --- certificates: the gateway speaks TLS, the city listens on a port of its own beside it


@pytest.fixture
def secure(row: Row, tmp_path: Path) -> Iterator[Trial]:
    """Give a site whose broker shows a certificate and wants to see one."""
    authority, plain = Authority(tmp_path), free_port()
    for name in ("broker", "gateway", "next"):
        authority.leaf(name)
    authority.leaf("dead", days=DEAD)
    authority.leaf("unborn", days=UNBORN)
    for kind in ("pem", "key"):
        shutil.copy(tmp_path / f"broker.{kind}", tmp_path / f"shown.{kind}")
        shutil.copy(tmp_path / f"gateway.{kind}", tmp_path / f"ours.{kind}")
    tls = Tls(tmp_path / "shown.pem", tmp_path / "shown.key", client_ca=authority.certificate)
    with ExitStack() as stack:
        listener = f"listener {plain} 127.0.0.1\nallow_anonymous true"
        trial = Trial(row, tmp_path, stack, tls=tls, more=listener)
        trial.begin(share=lambda text: _with_tls(text, tmp_path, authority), city=plain)
        yield trial


def _with_tls(text: str, folder: Path, authority: Authority) -> str:
    keys = {"ca": authority.certificate, "certificate": folder / "ours.pem", "key": folder / "ours.key"}
    lines = [f'{name} = "{path}"' for name, path in keys.items()]
    return text.replace("mqtt://127.0.0.1", "mqtts://localhost").replace(
        "rate = 0\n", "\n".join(["rate = 0", *lines, ""])
    )


@pytest.mark.long
@pytest.mark.parametrize("shown", ["dead", "unborn"])
def test_a_broker_whose_certificate_is_not_valid_gets_nothing_until_it_is(secure: Trial, shown: str) -> None:
    with secure.hurt():
        _show(secure, shown)
        secure.told("uplink-clock|uplink-failed")
        time.sleep(2)
        _show(secure, "broker")
    secure.judge()


@pytest.mark.long
def test_a_certificate_that_is_renewed_while_connected_costs_nothing(secure: Trial) -> None:
    with secure.hurt():
        for kind in ("key", "pem"):
            shutil.copy(secure.folder / f"next.{kind}", secure.folder / f"ours.{kind}")
        secure.told("pair-renewed", seconds=90)
    secure.judge()


def _show(trial: Trial, name: str) -> None:
    """Let the broker begin anew with another certificate."""
    trial.broker.kill()
    for kind in ("pem", "key"):
        shutil.copy(trial.folder / f"{name}.{kind}", trial.folder / f"shown.{kind}")
    trial.broker.start()


def _through(trial: Trial) -> Callable[[str], str]:
    """Let the gateway reach the broker by the way that breaks."""
    return lambda text: text.replace(f":{trial.broker.port}", f":{trial.broker_way.port}")
