"""A certificate that looks wrong speaks against the clock where the clock is not to be trusted."""

from __future__ import annotations

import re
import ssl
from pathlib import Path

import pytest
from msgspec.structs import replace

from agent.core.errors import ClockError, UplinkError
from agent.uplink import tls
from agent.uplink.clients import connect
from agent.uplink.dial import dial
from agent.uplink.port import Call
from agent.uplink.tls import failure
from tests.agent.uplink.test_mosquitto import Towers
from tests.peers import mosquitto as peer


@pytest.mark.parametrize(
    ("trusted", "kind", "sentence"),
    [
        (
            True,
            UplinkError,
            r"has expired \(our clock says .* and is synchronised\): the broker needs a new one",
        ),
        (
            False,
            ClockError,
            r"has expired by our clock, which says .* and is not synchronised: see to the clock",
        ),
    ],
)
async def test_an_expired_certificate_is_the_brokers_fault_or_the_clocks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, trusted: bool, kind: type[UplinkError], sentence: str
) -> None:
    monkeypatch.setattr(tls, "kernel_is_synced", lambda: trusted)
    towers = Towers(tmp_path)
    certificate, key = towers.ours.leaf("old", days=("200101", "200201"))
    authority = str(towers.ours.certificate)
    with (
        peer.mosquitto(tmp_path, tls=peer.Tls(certificate, key)) as broker,
        pytest.raises(UplinkError, match=sentence) as caught,
    ):
        await dial(Call(host="localhost", port=broker.port, client_id="gw1", ca=authority, tls=True))
    assert type(caught.value) is kind


def test_a_name_that_does_not_fit_is_never_the_clocks_fault() -> None:
    error = ssl.SSLCertVerificationError("no")
    error.verify_code, error.verify_message = 62, "hostname mismatch"
    told = failure(error, "broker:8883", host="broker", clock="1970-01-01 00:03 UTC", trusted=False)
    assert type(told) is UplinkError
    assert "is not made out to" in str(told)


@pytest.mark.parametrize(
    ("code", "sentence"),
    [
        (9, r"is not valid yet \(our clock says 2026-11-28 12:00 UTC, and is synchronised\)"),
        (23, "is refused: certificate revoked"),
    ],
)
def test_what_a_certificate_lacks_is_told_where_the_clock_is_right(code: int, sentence: str) -> None:
    error = ssl.SSLCertVerificationError("no")
    error.verify_code, error.verify_message = code, "certificate revoked"
    told = failure(error, "broker:8883", host="broker", clock="2026-11-28 12:00 UTC", trusted=True)
    assert type(told) is UplinkError
    assert re.search(sentence, str(told))


@pytest.mark.parametrize("client", ["citygate", "aiomqtt"])
async def test_a_broker_that_wants_a_certificate_is_understood_by_both_clients(
    tmp_path: Path, client: str
) -> None:
    towers = Towers(tmp_path)
    certificate, key = towers.ours.leaf("mutual")
    authority = str(towers.ours.certificate)
    with peer.mosquitto(tmp_path, tls=peer.Tls(certificate, key, towers.ours.certificate)) as broker:
        call = Call(host="localhost", port=broker.port, client_id="gw1", ca=authority, tls=True)
        with pytest.raises(UplinkError, match=r"^localhost:\d+: .*wants a client certificate"):
            await connect(replace(call, client=client))
