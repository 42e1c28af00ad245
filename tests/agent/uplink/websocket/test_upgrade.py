"""The request for WebSocket and the answers to it: one is right, each of the others ends in a sentence."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wsproto import ConnectionType, WSConnection
from wsproto.events import AcceptConnection, Request

from agent.core.errors import UplinkError
from agent.uplink.websocket.upgrade import Answer, request

KEY = b"the sample nonce"  # of RFC 6455, 1.3
ACCEPT = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
GOOD = {
    "Upgrade": "websocket",
    "Connection": "Upgrade",
    "Sec-WebSocket-Accept": ACCEPT,
    "Sec-WebSocket-Protocol": "mqtt",
}


def answer(*, status: str = "101 Switching Protocols", **but: str | None) -> bytes:
    fields = {name: but.get(name.replace("-", "_"), value) for name, value in GOOD.items()}
    more = {
        name.replace("_", "-"): value for name, value in but.items() if name.replace("_", "-") not in GOOD
    }
    lines = [f"{name}: {value}" for name, value in (fields | more).items() if value is not None]
    return "\r\n".join([f"HTTP/1.1 {status}", *lines, "", ""]).encode()


def judged(data: bytes) -> bytes | None:
    return Answer("broker:443/mqtt", KEY).feed(data)


def test_another_implementation_takes_our_request_and_we_its_answer() -> None:
    theirs = WSConnection(ConnectionType.SERVER)
    theirs.receive_data(request("broker.example", 443, "/mqtt", KEY, is_encrypted=True))
    (asked,) = theirs.events()
    assert isinstance(asked, Request)
    assert (asked.host, asked.target, asked.subprotocols) == ("broker.example", "/mqtt", ["mqtt"])
    said = theirs.send(AcceptConnection(subprotocol="mqtt"))
    assert judged(said + b"more") == b"more"


@pytest.mark.parametrize(
    ("host", "port", "is_encrypted", "where"),
    [
        ("broker", 80, False, "broker"),
        ("broker", 443, False, "broker:443"),
        ("broker", 9001, True, "broker:9001"),
        ("::1", 443, True, "[::1]"),
    ],
)
def test_the_usual_port_goes_without_saying(host: str, port: int, is_encrypted: bool, where: str) -> None:
    asked = request(host, port, "/mqtt", KEY, is_encrypted=is_encrypted)
    assert f"\r\nHost: {where}\r\n".encode() in asked


@given(st.integers(1, 40))
def test_a_good_answer_is_taken_however_it_is_cut(step: int) -> None:
    reader, data = Answer("broker:443/mqtt", KEY), answer(Server="x") + b"\x82\x00"
    found = None
    for at in range(0, len(data), step):
        found = reader.feed(data[at : at + step])
        if found is not None:
            assert found + data[at + step :] == b"\x82\x00"
            return
    raise AssertionError("it was never complete")


def test_names_and_words_may_be_written_in_any_case() -> None:
    assert judged(answer(Upgrade="WebSocket", Connection="keep-alive, UPGRADE")) == b""


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (answer(Sec_WebSocket_Accept="s3pPLMBiTxaQ9kYGzzhZRbK+xOp="), "sec-websocket-accept is wrong"),
        (answer(Sec_WebSocket_Accept=None), "sec-websocket-accept is wrong"),
        (answer(Upgrade="h2c"), "upgrade is wrong"),
        (answer(Connection="keep-alive"), "connection is wrong"),
        (answer(Sec_WebSocket_Extensions="permessage-deflate"), "extensions is wrong"),
        (answer(Sec_WebSocket_Protocol=None), "not MQTT within it"),
        (answer(Sec_WebSocket_Protocol="mqttv3.1"), "not MQTT within it"),
        (answer(Sec_WebSocket_Protocol="mqtt\r\nSec-WebSocket-Protocol: chat"), "as HTTP servers do"),
        (answer(status="404 Not Found"), r"\(404\): there is nothing at this path"),
        (answer(status="301 Moved", Location="https://evil.example"), r"\(301\): it sends us elsewhere"),
        (answer(status="401 Unauthorized"), "login of its own"),
        (answer(status="200 OK"), r"\(200\)"),
        (answer(status="418 I'm a teapot"), "ask its operator"),
        (answer(status="1011 x"), "as HTTP servers do"),
        (answer(status="abc"), "as HTTP servers do"),
        (answer(Server="x\r\n folded: line"), "as HTTP servers do"),
        (answer(Server="x\r\nno colon"), "as HTTP servers do"),
        (b"\x20\x02\x00\x00", "does not speak HTTP"),
        (b"SSH-2.0-OpenSSH\r\n", "does not speak HTTP"),
        (b"HTTP/2 101\r\n\r\n", "does not speak HTTP"),
        (b"HTTP/1.1 101 x\r\n" + b"a" * 9000, "more than 8192 bytes"),
    ],
)
def test_any_other_answer_ends_in_a_sentence(data: bytes, words: str) -> None:
    with pytest.raises(UplinkError, match=words):
        judged(data)


@given(st.binary(max_size=200))
def test_arbitrary_bytes_are_never_an_agreement(data: bytes) -> None:
    with suppress(UplinkError):
        assert judged(data) is None
