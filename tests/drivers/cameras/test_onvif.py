"""What a camera answers is read as if it came from an enemy, and nothing is ever changed at it."""

from __future__ import annotations

import asyncio
import re
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from hashlib import sha256
from typing import Any
from urllib.request import AbstractDigestAuthHandler, HTTPPasswordMgrWithDefaultRealm, Request

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.core.clock import SystemClock
from agent.core.errors import DriverError
from agent.core.search import Found, Missed
from drivers.cameras.onvif import digest, soap
from drivers.cameras.onvif import everybody as module
from drivers.cameras.onvif.asking import Camera, Facts, RefusedError, clock_text
from drivers.cameras.onvif.everybody import GROUP, _Ears, everybody
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
        try:
            head = await reader.readuntil(b"\r\n\r\n")
        except asyncio.IncompleteReadError:  # somebody only knocked
            writer.close()
            return
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


def named(asked: bytes) -> bytes:
    found = re.search(rb"<s:Body><(\w+) ", asked)
    assert found is not None
    return found[1]


def instead(**answers: str) -> Callable[[bytes], bytes]:
    """Answer as a whole camera does, but for the questions named."""

    def ask(asked: bytes) -> bytes:
        name = named(asked).decode()
        return spoken(envelope(answers[name])) if name in answers else whole(asked)

    return ask


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (instead(GetProfiles="<GetProfilesResponse/>"), "has no stream with a name"),
        (
            instead(GetCapabilities="<Fault><Reason><Text>too\nbusy</Text></Reason></Fault>"),
            "refuses GetCapabilities: too busy",
        ),
        (instead(GetCapabilities="<Fault/>"), "it does not say why"),
        (instead(GetCapabilities="<GetProfilesResponse/>"), "answers GetCapabilities with something else"),
        (
            lambda one: whole(one) if b"DateAndTime" in one else b"HTTP/1.1 500 No\r\n\r\n<html>",
            "answers GetCapabilities with status 500, and ",
        ),
    ],
)
async def test_what_a_camera_answers_instead_is_said(answer: Callable[[bytes], bytes], says: str) -> None:
    async with answering(answer) as (end, _):
        with pytest.raises(DriverError, match=says):
            await Camera(end, None, SystemClock(), 5).facts()


@pytest.mark.parametrize(
    ("off", "says"), [(0, "ONVIF users are often a list of their own"), (7200, "its clock is 2 h ahead of")]
)
async def test_why_a_password_may_be_refused_is_said_by_the_cameras_clock(off: int, says: str) -> None:
    def ask(asked: bytes) -> bytes:
        if named(asked) != b"GetSystemDateAndTime":
            return b"HTTP/1.1 401 No\r\n\r\n"
        there = datetime.now(UTC) + timedelta(seconds=off)
        date = format_datetime(there, usegmt=True)
        return f"HTTP/1.1 401 No\r\nDate: {date}\r\nContent-Length: 0\r\n\r\n".encode()

    async with answering(ask) as (end, _):
        with pytest.raises(RefusedError, match=says):
            await Camera(end, WHO, SystemClock(), 5).facts()
        with pytest.raises(RefusedError, match="wants to know who asks"):
            await Camera(end, None, SystemClock(), 5).facts()


async def test_an_answer_in_chunks_is_put_together() -> None:
    def ask(asked: bytes) -> bytes:
        body = whole(asked).partition(b"\r\n\r\n")[2]
        parts = b"".join(b"%x;x=y\r\n%s\r\n" % (len(one), one) for one in (body[:7], body[7:]))
        return HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + parts + b"0\r\n\r\n"

    async with answering(ask) as (end, _):
        assert (await Camera(end, None, SystemClock(), 5).facts()).maker == "A B31m C"


@pytest.mark.parametrize(
    "address",
    ["http://10.0.0.1:99999/x", "http://[::1", "http://10.0.0.1/a b", "http://10.0.0.1/\N{SNOWMAN}"],
)
def test_a_service_whose_address_is_odd_is_asked_where_it_was_before(address: str) -> None:
    end = End("10.0.0.7", 8080, "/onvif/device_service")
    assert end.moved(address) == end


def test_the_newer_proof_of_http_is_met_too() -> None:
    told = digest.answer('Digest realm="r", nonce="n1", algorithm=SHA-256', WHO, "/p", "cn")
    first = sha256(b"admin:r:pass").hexdigest()
    second = sha256(b"POST:/p").hexdigest()
    assert f'response="{sha256(f"{first}:n1:{second}".encode()).hexdigest()}"' in told


def test_a_camera_is_proposed_once_with_what_is_odd_about_it() -> None:
    small, large = stream("small", "H264", 640, 360), stream("large", "H264", 1920, 1080)
    facts = Facts(
        maker="m", streams=((large, "rtsp://cam.local/a"), (small, "rtsp://cam.local/b")), off=-3600.0
    )
    clock, other, best = Proposal({}, {"model": "m"}, 18).of(End("10.0.0.7", 80), facts)
    assert isinstance(clock, Missed)
    assert clock.why == "its clock is 1 h behind this gateway's: give it a time server"
    assert isinstance(other, Found)
    assert isinstance(best, Found)
    assert (other.link, best.link) == (
        {}, {"driver": "camera", "source": "rtsp://10.0.0.7/b", "model": "m", "picture": [640, 360]},
    )  # fmt: skip
    assert best.note.startswith("the camera calls itself cam.local")
    known = Proposal({"rtsp://10.0.0.7/b": "square"}, {}, 18).of(End("10.0.0.7", 80), facts)[-1]
    assert isinstance(known, Found)
    assert (known.link, known.note) == ({}, "the running gateway has it already: it is link square")


def match_of(*places: str) -> bytes:
    return envelope(
        f"<ProbeMatches><ProbeMatch><XAddrs>{' '.join(places)}</XAddrs></ProbeMatch></ProbeMatches>"
    )


def test_a_camera_is_where_it_spoke_from_whatever_it_says() -> None:
    ears = _Ears()
    ears.datagram_received(match_of("http://10.9.9.9/x", "http://10.0.0.7:8080/onvif/d"), ("10.0.0.7", 3702))
    ears.datagram_received(match_of("http://192.168.1.2:81/onvif/d"), ("10.0.0.8", 3702))
    ears.datagram_received(match_of("https://10.0.0.9/x", "http://10.0.0.9:99999/x", ""), ("10.0.0.9", 3702))
    ears.datagram_received(match_of("http://10.0.0.7/again"), ("10.0.0.7", 3702))
    ears.datagram_received(b"<not xml", ("10.0.0.10", 3702))
    ears.datagram_received(envelope("<Hello/>"), ("10.0.0.11", 3702))
    assert ears.found == {
        "10.0.0.7": End("10.0.0.7", 8080, "/onvif/d"),
        "10.0.0.8": End("10.0.0.8", 81, "/onvif/d"),
        "10.0.0.9": End("10.0.0.9", 80),
    }
    for number in range(1000):
        ears.datagram_received(match_of("http://x/y"), (f"10.1.{number // 256}.{number % 256}", 3702))
    assert len(ears.found) == 256


async def test_everybody_is_asked_twice_and_who_answers_is_told_in_order() -> None:
    asked: list[bytes] = []

    class Speaker(asyncio.DatagramProtocol):
        def connection_made(self, transport: Any) -> None:  # noqa: ANN401
            self.transport = transport

        def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
            asked.append(data)
            self.transport.sendto(match_of("http://127.0.0.1:81/onvif/d"), addr)

    line = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    line.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    line.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    line.bind(("", 3702))
    member = socket.inet_aton(GROUP) + socket.inet_aton("127.0.0.1")
    line.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, member)
    transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(Speaker, sock=line)
    found = await everybody("127.0.0.1", 0.3, SystemClock())
    transport.close()
    assert End("127.0.0.1", 81, "/onvif/d") in found
    assert len(asked) == 2
    assert read(asked[0]).find("Types") is not None
    assert asked[0] == asked[1]


async def test_where_no_network_is_there_to_ask_it_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "GROUP", "240.0.0.1")  # to which no way leads
    with pytest.raises(DriverError, match=r"nobody can be asked \(.+\): name the gateway's own address"):
        await everybody("127.0.0.1", 0.05, SystemClock())


async def test_a_camera_that_tells_no_time_is_asked_by_the_date_of_its_answer_or_ours() -> None:
    async with answering(instead(GetSystemDateAndTime="<GetSystemDateAndTimeResponse/>")) as (end, _):
        assert (await Camera(end, None, SystemClock(), 5).facts()).off is None


async def test_where_no_interface_is_named_the_computer_chooses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "GROUP", "127.0.0.1")  # where nobody listens
    assert await everybody("", 0.05, SystemClock()) == []
