"""What a camera answers is read as if it came from an enemy, and nothing is ever changed at it."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from urllib.request import AbstractDigestAuthHandler, HTTPPasswordMgrWithDefaultRealm, Request

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.core.clock import SystemClock
from agent.core.errors import DriverError
from agent.core.search import Found
from drivers.cameras.onvif import digest, soap
from drivers.cameras.onvif.asking import Camera, Facts, RefusedError, clock_text
from drivers.cameras.onvif.post import End
from drivers.cameras.onvif.proposal import Proposal
from drivers.cameras.onvif.streams import Stream, chosen
from drivers.cameras.onvif.tree import LARGEST, XmlError, read

WHO = soap.Who("admin", "pass")
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/soap+xml\r\n"


def envelope(inside: str) -> bytes:
    return f'<e:Envelope xmlns:e="http://www.w3.org/2003/05/soap-envelope"><e:Body>{inside}</e:Body></e:Envelope>'.encode()


def spoken(body: bytes) -> bytes:
    return HEAD + f"Content-Length: {len(body)}\r\n\r\n".encode() + body


@asynccontextmanager
async def answering(answer: Callable[[bytes], bytes]) -> AsyncIterator[tuple[End, list[bytes]]]:
    """Serve bytes; *answer* makes them of a whole request."""
    asked: list[bytes] = []
    tasks: list[asyncio.Task[None] | None] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tasks.append(asyncio.current_task())
        head = await reader.readuntil(b"\r\n\r\n")
        size = int(re.search(rb"Content-Length: (\d+)", head)[1])  # type: ignore[index]
        asked.append(head + await reader.readexactly(size))
        writer.write(answer(asked[-1]))
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        try:
            yield End("127.0.0.1", server.sockets[0].getsockname()[1]), asked
        finally:
            for task in tasks:
                assert task is not None
                await task


@pytest.mark.parametrize(
    ("raw", "says"),
    [
        (b'<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>', "document type or an entity"),
        (b'<!DOCTYPE a SYSTEM "file:///etc/passwd"><a/>', "document type or an entity"),
        (b"<a>" * 60 + b"</a>" * 60, "too many elements"),
        (b"<a>" + b"<b/>" * 30_000 + b"</a>", "too many elements"),
        (b"<a>" + b" " * LARGEST + b"</a>", "more than 256 kB"),
        (b"<a>&b;</a>", "no XML"),
        (b"\xff\xd8\xff\xe0JFIF", "no XML"),
        (b"", "no XML"),
        (b'<?xml version="1.0" encoding="utf-99"?><a/>', "no XML"),
    ],
)
def test_xml_that_could_harm_is_refused(raw: bytes, says: str) -> None:
    with pytest.raises(XmlError, match=says):
        read(raw)


@given(st.binary(max_size=400) | st.text(alphabet="<>/a:&;\"'= !-[]", max_size=80).map(str.encode))
def test_any_bytes_are_read_or_refused(raw: bytes) -> None:
    with suppress(XmlError):
        read(b"<a>" + raw + b"</a>").number("b")


@pytest.mark.parametrize(
    ("raw", "says"),
    [
        (b"", "it ended the connection"),
        (b"SSH-2.0-x\r\n\r\n", "not HTTP"),
        (b"HTTP/1.1 OK\r\n\r\n", "not HTTP"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n<a/>", "it ended the connection"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n", "not HTTP"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffff\r\n", "speaks no ONVIF"),
        (HEAD + b"X: " + b"y" * 40_000 + b"\r\n\r\n", "not HTTP"),
        (HEAD + b"\r\n<html>camera</html><", "speaks no ONVIF"),
    ],
)
async def test_what_is_no_onvif_is_said_to_be_none(raw: bytes, says: str) -> None:
    async with answering(lambda _: raw) as (end, _):
        with pytest.raises(DriverError, match=says):
            await Camera(end, None, SystemClock(), 5).facts()


async def test_a_camera_that_never_ends_its_answer_is_left() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(HEAD)
        await reader.read()  # until the other has given up
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        end = End("127.0.0.1", server.sockets[0].getsockname()[1])
        with pytest.raises(DriverError, match=r"does not answer within 0\.1 s"):
            await Camera(end, None, SystemClock(), 0.1).facts()


def whole(asked: bytes) -> bytes:
    """Answer as the specification has it, with a profile in pieces and a media service elsewhere."""
    answers = {
        b"GetSystemDateAndTime": "<SystemDateAndTime><UTCDateTime><Time><Hour>1</Hour><Minute>2</Minute>"
        "<Second>3</Second></Time><Date><Year>2020</Year><Month>2</Month><Day>30</Day></Date></UTCDateTime>"
        "</SystemDateAndTime>",
        b"GetCapabilities": "<Capabilities><Media><XAddr>http://192.168.1.108:80/m?a=1</XAddr></Media></Capabilities>",
        b"GetDeviceInformation": "<Manufacturer>A\nB&#x9b;31m</Manufacturer><Model>C</Model>",
        b"GetProfiles": '<Profiles token="a&quot;&lt;"><Name>one</Name></Profiles><Profiles/>',
        b"GetStreamUri": "<MediaUri><Uri>rtsp://192.168.1.108:554/a?b=c&amp;d=e</Uri></MediaUri>",
    }
    name = re.search(rb"<s:Body><(\w+) ", asked)[1]  # type: ignore[index]
    return spoken(envelope(f"<x:{name.decode()}Response>{answers[name]}</x:{name.decode()}Response>"))


async def test_a_camera_behind_a_router_is_asked_at_the_address_that_answered() -> None:
    async with answering(whole) as (end, asked):
        facts = await Camera(end, None, SystemClock(), 5).facts()
    assert [one.split()[1] for one in asked[3:]] == [b"/m?a=1"] * 2
    assert b'<ProfileToken>a"&lt;</ProfileToken>' in asked[4]
    assert facts.maker == "A B31m C"
    [found] = Proposal({}, {"model": "m"}, 18).of(end, facts)
    assert isinstance(found, Found)
    assert found.link == {"driver": "camera", "source": "rtsp://127.0.0.1/a?b=c&d=e", "model": "m"}
    assert found.note.startswith(
        "the camera calls itself 192.168.1.108; the address that answered is written"
    )


async def test_only_questions_leave_and_no_password() -> None:
    async with answering(whole) as (end, asked):
        await Camera(end, WHO, SystemClock(), 5).facts()
    assert {re.search(rb"<s:Body><(\w+)", one)[1][:3] for one in asked} == {b"Get"}  # type: ignore[index]
    assert b"Username" not in asked[0], "the clock is asked as a stranger"
    assert all(b"<w:Username>admin</w:Username>" in one for one in asked[1:])
    assert not [one for one in asked if b">pass<" in one]
    with pytest.raises(AssertionError):
        soap.question("SetSystemFactoryDefault", soap.DEVICE)


async def test_a_camera_that_wants_the_proof_of_http_gets_it() -> None:
    challenge = 'Digest realm="r", nonce="n1", qop="auth,auth-int", opaque="o", algorithm=MD5'

    def ask(asked: bytes) -> bytes:
        if b"GetSystemDateAndTime" in asked or b"Authorization: Digest" in asked:
            return whole(asked)
        basic = "WWW-Authenticate: Basic realm=r"
        return f"HTTP/1.1 401 No\r\n{basic}\r\nWWW-Authenticate: {challenge}\r\n\r\n".encode()

    async with answering(ask) as (end, asked):
        facts = await Camera(end, WHO, SystemClock(), 5).facts()
    assert len(facts.streams) == 1
    assert not [one for one in asked if b"Authorization: Basic" in one]
    async with answering(lambda one: ask(one.replace(b"Digest", b""))) as (end, _):
        with pytest.raises(RefusedError, match="refuses this user or password"):
            await Camera(end, WHO, SystemClock(), 5).facts()


class _Judge(AbstractDigestAuthHandler):
    """The standard library's own client."""

    def __init__(self, cnonce: str) -> None:
        passwords = HTTPPasswordMgrWithDefaultRealm()
        passwords.add_password(None, "http://h/p?q=1", "admin", "pass")
        super().__init__(passwords)
        self._cnonce = cnonce

    def get_cnonce(self, nonce: str) -> str:
        del nonce
        return self._cnonce


@pytest.mark.parametrize("qop", ["", ', qop="auth"'])
def test_the_proof_of_http_is_that_of_another_client(qop: str) -> None:
    challenge = f'Digest realm="r", nonce="n1"{qop}'
    ours = digest.answer(challenge, WHO, "/p?q=1", "cn")
    told = dict(re.findall(r'(\w+)="([^"]*)"', challenge)) | {"algorithm": "MD5"}
    theirs = _Judge("cn").get_authorization(Request("http://h/p?q=1", b"x"), told)
    assert theirs is not None
    response = re.compile(r'response="(\w+)"')
    assert response.findall(ours) == response.findall(theirs)


@pytest.mark.parametrize(
    "wrong", ["Digest realm=r", 'Digest nonce="n", algorithm=MD9', 'Digest nonce="a\\b"']
)
def test_a_challenge_that_cannot_be_met_gets_no_answer(wrong: str) -> None:
    assert digest.answer(wrong, WHO, "/", "cn") == ""


async def test_a_refusal_within_the_answer_is_one_too() -> None:
    fault = envelope(
        "<e:Fault><e:Code><e:Value>e:Sender</e:Value><e:Subcode><e:Value>t:NotAuthorized</e:Value>"
        "</e:Subcode></e:Code><e:Reason><e:Text>no</e:Text></e:Reason></e:Fault>"
    )

    def ask(asked: bytes) -> bytes:
        return whole(asked) if b"GetSystemDateAndTime" in asked else spoken(fault)

    async with answering(ask) as (end, _):
        with pytest.raises(RefusedError, match="does not tell its time, and if its clock differs"):
            await Camera(end, WHO, SystemClock(), 5).facts()


@pytest.mark.parametrize(
    ("address", "says"),
    [
        ("http://10.0.0.1/x", "its address is http and not rtsp"),
        ("rtsp://10.0.0.1:99999/x", "its address is odd"),
        ("rtsp://10.0.0.1/\N{SNOWMAN}", "signs that none should have"),
        ("", "its address is no and not rtsp"),
    ],
)
def test_an_address_that_cannot_be_counted_is_not_proposed(address: str, says: str) -> None:
    facts = Facts(maker="m", streams=((Stream(profile="a", name="a"), address),), off=0.0)
    [found] = Proposal({}, {}, 18).of(End("127.0.0.1", 80), facts)
    assert isinstance(found, Found)
    assert not found.link
    assert says in found.note


def test_a_password_in_a_streams_address_is_never_written() -> None:
    facts = Facts(
        maker="m", streams=((Stream(profile="a", name="a"), "rtsp://u:topsecret@127.0.0.1/x"),), off=0.0
    )
    assert "topsecret" not in str(Proposal({}, {}, 18).of(End("127.0.0.1", 80), facts))


def stream(name: str, encoding: str, wide: int, high: int, rate: float = 25) -> Stream:
    return Stream(profile=name, name=name, encoding=encoding, width=wide, height=high, rate=rate)


def test_the_cheapest_stream_that_shows_enough_is_chosen() -> None:
    main, tiny = stream("main", "H264", 1920, 1080), stream("tiny", "H264", 176, 144)
    other, small = stream("other", "H265", 640, 360), stream("small", "H264", 704, 576)
    slow = stream("slow", "H264", 640, 480, 1)
    assert chosen([main, other, small, slow, tiny]) is small
    assert chosen([main, other, tiny]) is main, "what nobody has measured comes last"
    assert chosen([tiny]) is tiny
    assert chosen([stream("odd", "AV9", 640, 480)]) is None
    assert small.cost(18) == pytest.approx(0.0238, abs=0.0001)
    assert other.cost(18) is None


def test_how_far_a_clock_is_off_is_said_in_its_largest_units() -> None:
    assert clock_text(-7201) == "its clock is 2 h behind this gateway's"
    assert clock_text(93_784) == "its clock is 1 d 2 h ahead of this gateway's"
    assert clock_text(61) == "its clock is 1 min 1 s ahead of this gateway's"
