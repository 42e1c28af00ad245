"""Certificates that are renewed while the gateway runs: nothing is lost, and a bad pair changes nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from msgspec.structs import replace

from agent.core.errors import UplinkError
from agent.core.plan import Tls
from agent.uplink.identity import Identity
from tests.agent.uplink.kit import QUICK, Rig, subscribed
from tests.peers import mosquitto as peer
from tests.peers.mosquitto import Authority, Mosquitto

QUICK_LOOK = replace(QUICK, identity=0.2, answer=5.0)


class Files:
    """The files that a gateway is told of, and what is put in their place."""

    def __init__(self, folder: Path, authority: Authority) -> None:
        self.certificate, self.key = folder / "own.pem", folder / "own.key"
        self.authority = authority
        self.made = 0

    def renew(self, life: float = 60.0) -> None:
        """Put a new pair in place, as a renewal hook does: one file after the other."""
        self.made += 1
        now = datetime.now(UTC)
        span = tuple(f"{now + timedelta(seconds=at):%y%m%d%H%M%S}" for at in (-5.0, life))
        certificate, key = self.authority.leaf(f"gw1-{self.made}", days=(span[0], span[1]))
        certificate.replace(self.certificate)
        key.replace(self.key)

    def spoil(self) -> None:
        """Put a certificate in place to which the key does not belong."""
        certificate, _ = self.authority.leaf("stranger")
        certificate.replace(self.certificate)


@pytest.fixture
def files(tmp_path: Path) -> Files:
    made = Files(tmp_path, Authority(tmp_path, "our-ca"))
    made.renew()
    return made


@pytest.fixture
def broker(tmp_path: Path, files: Files) -> Iterator[Mosquitto]:
    """Serve gateways with a certificate, and the city without TLS."""
    tls = peer.Tls(*files.authority.leaf("broker"), files.authority.certificate)
    plain = peer.free_port()
    with peer.mosquitto(tmp_path, tls=tls, more=f"listener {plain} 127.0.0.1") as running:
        running.plain = plain  # type: ignore[attr-defined]  # where the city reads
        yield running


def a_rig(broker: Mosquitto, files: Files) -> Rig:
    tls = Tls(ca=str(files.authority.certificate), certificate=str(files.certificate), key=str(files.key))
    return Rig(broker.port, timing=QUICK_LOOK, but={"host": "localhost", "tls": tls})


async def _under_load(broker: Mosquitto, files: Files, *, seconds: int, every: float, life: float) -> None:
    """Send fifty rows a second while the pair is renewed; each must arrive, none twice without its id."""
    rig = a_rig(broker, files)
    async with subscribed(broker.plain) as city, rig.running():  # type: ignore[attr-defined]
        due = every
        for tick in range(seconds * 10):
            rig.put(5)
            await asyncio.sleep(0.1)
            if tick / 10 >= due:
                due += every
                await asyncio.to_thread(files.renew, life)
        await rig.until(lambda: not rig.feed.left)
        await rig.until(lambda: len(set(city.ids())) == seconds * 50)
        assert rig.errors == []
        assert rig.uplink.figures["connections"] == files.made


async def test_pairs_are_renewed_under_load_without_a_lost_record(broker: Mosquitto, files: Files) -> None:
    await _under_load(broker, files, seconds=4, every=1.0, life=60.0)
    assert files.made >= 3


@pytest.mark.long
async def test_certificates_of_one_minutes_life_outlive_three_of_them(
    broker: Mosquitto, files: Files
) -> None:
    await _under_load(broker, files, seconds=190, every=25.0, life=60.0)


async def test_a_bad_pair_is_told_once_and_changes_nothing(
    broker: Mosquitto, files: Files, caplog: pytest.LogCaptureFixture
) -> None:
    rig = a_rig(broker, files)
    async with subscribed(broker.plain), rig.running():  # type: ignore[attr-defined]
        rig.put(1)
        await rig.until(lambda: len(rig.feed.done) == 1)
        files.spoil()
        await rig.until(lambda: "the last good one stays in use" in caplog.text)
        rig.put(1)
        await rig.until(lambda: len(rig.feed.done) == 2)
        assert rig.uplink.figures["connections"] == 1
        broker.kill()
        await rig.until(lambda: not rig.uplink.connected)
        broker.start()
        await rig.until(lambda: rig.uplink.connected)  # with the pair that is remembered
        files.renew()
        await rig.until(lambda: rig.uplink.figures["connections"] == 3)
    assert caplog.text.count("the last good one stays in use") == 1


def test_without_a_good_pair_there_is_no_way_in(tmp_path: Path) -> None:
    nowhere = str(tmp_path / "nowhere.pem")
    with pytest.raises(UplinkError, match="nowhere"):
        Identity("city", (nowhere, None, None)).context()
