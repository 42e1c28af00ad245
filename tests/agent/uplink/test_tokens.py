"""How we sign in: passwords that end, and ports that want to be asked for their protocol."""

from __future__ import annotations

import asyncio
import ssl
from base64 import b64encode
from itertools import pairwise
from pathlib import Path

import pytest

from agent.core.errors import UplinkError
from agent.encodings.azure_iot_hub import AzureIotHub, AzureIotHubSettings
from agent.uplink.client import connect
from agent.uplink.port import Call
from tests.agent.uplink.kit import PLACE, Rig
from tests.peers import need
from tests.peers.fake_broker import FakeBroker, fake_broker
from tests.peers.mosquitto import Authority
from tests.virtual import VirtualClock

KEY = b64encode(b"a device key").decode()


def rig_of(broker: FakeBroker, virtual: VirtualClock, key: str) -> Rig:
    encoding = AzureIotHub(PLACE, AzureIotHubSettings(device="gw1"))
    return Rig(broker.port, clock=virtual, encoding=encoding, but={"username": "hub", "password": key})


async def test_a_new_token_comes_before_the_old_one_ends(virtual: VirtualClock) -> None:
    async with fake_broker() as broker:
        rig = rig_of(broker, virtual, KEY)
        began = virtual.now().utc
        async with rig.running():
            for _ in range(26):
                rig.put(1)
                await virtual.sleep(300)
            await rig.until(lambda: len(rig.feed.done) == 26)
    assert len(broker.connects) == 3
    tokens = [_expiry(packet) for packet in broker.connects]
    assert tokens[0] == int(began) + 3600
    assert all(3200 < later - earlier < 3300 for earlier, later in pairwise(tokens))
    assert set(rig.errors) == {
        f"127.0.0.1:{broker.port}: the access token ends soon; we connect with a new one"
    }


async def test_a_key_that_is_none_is_said_in_words_and_tried_again(virtual: VirtualClock) -> None:
    async with fake_broker() as broker:
        rig = rig_of(broker, virtual, "no key!")
        async with rig.running():
            await rig.until(lambda: len(rig.errors) > 1)
    assert broker.connects == []
    assert "a device key is Base64" in rig.errors[0]


def _expiry(packet: bytes) -> int:
    """Read when the token in a CONNECT ends."""
    return int(packet.rpartition(b"&se=")[2])


async def test_a_shared_port_is_asked_for_the_protocol_that_it_wants_to_hear(tmp_path: Path) -> None:
    need("openssl")
    authority = Authority(tmp_path)
    certificate, key = authority.leaf("broker")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    context.set_alpn_protocols(["http/1.1", "x-amzn-mqtt-ca"])
    heard: list[str | None] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.append(writer.get_extra_info("ssl_object").selected_alpn_protocol())
        await reader.read(1)
        writer.transport.abort()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    port = server.sockets[0].getsockname()[1]
    for alpn in ("x-amzn-mqtt-ca", ""):
        call = Call(
            host="localhost", port=port, client_id="gw1", tls=True, ca=str(authority.certificate), alpn=alpn
        )
        with pytest.raises(UplinkError):
            await connect(call)
    server.close()
    await server.wait_closed()
    assert heard == ["x-amzn-mqtt-ca", None]
