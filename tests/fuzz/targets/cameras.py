"""Cameras, and the process that sees their pictures: XML, HTTP, addresses of streams, records of counts."""

from __future__ import annotations

import math
import tomllib
from collections.abc import Sequence
from functools import cache
from typing import Final

from agent.cli.proposal import proposals, text_of
from agent.core.errors import DriverError
from agent.core.scene import Line, Scene
from agent.core.search import Found
from agent.core.sight import RECORD, UNCONFINED, VERSION, Camera, Sight, Watch, What, cells
from agent.core.stream import parse
from drivers.cameras.onvif import asking, digest, everybody, tree
from drivers.cameras.onvif.asking import Facts
from drivers.cameras.onvif.post import End, post
from drivers.cameras.onvif.proposal import Proposal
from drivers.cameras.onvif.soap import Who
from drivers.cameras.onvif.streams import streams_of
from drivers.cameras.records import Holes, News, Numbers, Ready, Receiver, RefusedError
from tests.fuzz.loop import completed, loop
from tests.fuzz.target import Feed, Target, pure

_END: Final = End("10.30.0.7", 80)
_SOAP: Final = (
    '<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope"><s:Body>{}</s:Body></s:Envelope>'
)
_NOW: Final = 1000.0


def _xml(data: bytes) -> None:
    """Read it or say why not; what is made of it is a plain text and TOML."""
    try:
        answer = tree.read(data)
    except tree.XmlError as error:
        assert len(str(error)) < 300
        return
    assert isinstance(asking._is_refusal(answer), bool)
    utc = asking._time(answer)
    streams = streams_of(answer)
    assert all(0 <= one.width < 20_000 and 0 <= one.rate <= 240 for one in streams)
    address = answer.word("MediaUri", "Uri")
    facts = Facts(
        maker="x", streams=tuple((one, address) for one in streams[:4]), off=None if utc is None else utc
    )
    found = Proposal(known={}, words={}, decode=18.0).of(_END, facts)
    tomllib.loads(text_of(proposals([one for one in found if isinstance(one, Found)], None)))


def _http(data: bytes) -> None:
    """Give an answer of bounded size, or say what is wrong."""
    loop().answer = data
    try:
        reply = completed(post(_END, b"x", 5.0))
    except DriverError as error:
        assert len(str(error)) < 300
        return
    assert len(reply.body) <= 2 * tree.LARGEST + 2
    proof = digest.answer(reply.challenge, Who("u", 'p"\\'), "/", "00") if reply.challenge else ""
    assert proof.isprintable()
    assert reply.utc is None or math.isfinite(reply.utc)


def _discovered(data: bytes) -> None:
    """Go nowhere but to the address that spoke."""
    ears = everybody._Ears()
    ears.datagram_received(data, ("10.30.0.7", 3702))
    for end in ears.found.values():
        assert end.host == "10.30.0.7"
        assert end.path.isprintable()
        assert end.path.startswith("/")


def _stream(data: bytes) -> None:
    """Read an address in figures or refuse it; what was read is read again as the same."""
    text = data.decode("utf-8", "replace")
    try:
        found = parse(text)
    except ValueError as error:
        assert str(error)
        return
    assert found.is_local or not found.is_local
    if found.host:
        assert 0 <= found.port <= 65535
        assert parse(found.url()) == found
        assert parse(found.url("me", 'p@:/"?#')).host == found.host


@cache
def _watch() -> Watch:
    scene = Scene(lines={"gate": Line(start=(0.1, 0.2), end=(0.9, 0.8), classes=("person", "bicycle"))})
    one = Camera(name="square", source="rtsp://10.30.0.7/s", model="/m", scene=scene)
    return Watch(
        cameras=(one, Camera(name="yard", source="rtsp://10.30.0.8/s", model="/m", scene=scene)),
        width=300,
        offset=0.0,
    )


def _records(data: bytes) -> None:
    """Believe no number that cannot be true, and none before its time."""
    feed, watch, now = Feed(data), _watch(), _NOW
    receiver, table = Receiver(watch, _NOW), cells(watch)
    begins: list[float] = []
    for _ in range(64):
        now += feed.byte() * 10.0
        raw = feed.some(RECORD.size)
        if not raw:
            return
        try:
            told = receiver.take(raw, now)
        except RefusedError:
            return
        match told:
            case Numbers(begin, end, values):
                assert end - begin == watch.width
                assert end <= now + 1
                assert not begins or begin > begins[-1]
                begins.append(begin)
                assert len(values) == len(table)
                assert all(
                    value is None or 0 <= value <= cell.most / cell.scale
                    for value, cell in zip(values, table, strict=True)
                )
            case News(camera, sight, _):
                assert camera < 2
                assert sight in Sight
            case Ready(refused):
                assert refused < 100
            case Holes(names):
                assert names


def _record(  # noqa: PLR0913 - the fields of a record
    what: int, value: int, seq: int, *, cell: int = 0, bucket: int = 0, stamp: int = 0, wait: int = 0
) -> bytes:
    return bytes((wait,)) + RECORD.pack(VERSION, what, cell, bucket, 300, value, seq, stamp)


def _record_seeds() -> Sequence[bytes]:
    ready = _record(What.READY, 29, 1, bucket=(1 << 29) - 1)
    table = cells(_watch())
    numbers = [
        _record(
            What.NUMBER if place % 3 else What.UNKNOWN,
            min(place % 3, one.most),
            place + 2,
            cell=place,
            bucket=3,
            stamp=1200 * 10**9,
            wait=40 * (not place),
        )
        for place, one in enumerate(table)
    ]
    more = [
        _record(
            What.NUMBER,
            0,
            len(table) + place + 2,
            cell=place,
            bucket=4,
            stamp=1500 * 10**9,
            wait=30 * (not place),
        )
        for place in range(len(table))
    ]
    return [
        ready + b"".join(numbers) + b"".join(more),
        ready + _record(What.NEWS, 7, 2, cell=1) + _record(What.FAULT, 16, 3),
        _record(What.HOLES, 5, 1),
        _record(What.READY | UNCONFINED, 20, 1, bucket=3, stamp=1),
    ]


def _answers() -> Sequence[bytes]:
    profile = (
        '<t:Profiles token="main"><t:Name>Main</t:Name><t:VideoEncoderConfiguration>'
        "<t:Encoding>H264</t:Encoding>"
        "<t:Resolution><t:Width>1280</t:Width><t:Height>720</t:Height></t:Resolution><t:RateControl>"
        "<t:FrameRateLimit>25</t:FrameRateLimit></t:RateControl></t:VideoEncoderConfiguration></t:Profiles>"
    )
    uri = "<m:MediaUri><t:Uri>rtsp://10.30.0.7:554/stream2?x=1</t:Uri></m:MediaUri>"
    time = (
        "<t:UTCDateTime><t:Time><t:Hour>10</t:Hour><t:Minute>2</t:Minute><t:Second>3</t:Second></t:Time>"
        "<t:Date><t:Year>2026</t:Year><t:Month>11</t:Month><t:Day>28</t:Day></t:Date></t:UTCDateTime>"
    )
    fault = (
        "<s:Fault><s:Code><s:Value>s:Sender</s:Value></s:Code>"
        "<s:Reason><s:Text>NotAuthorized</s:Text></s:Reason></s:Fault>"
    )
    bodies = [profile + profile.replace("main", "sub"), profile + uri, time, fault, "<x/>"]
    space = ' xmlns:t="http://www.onvif.org/ver10/schema" xmlns:m="m">'
    return [_SOAP.format(f"<GetResponse{space}{one}</GetResponse>").encode() for one in bodies]


def _matches() -> Sequence[bytes]:
    match = (
        "<d:ProbeMatches xmlns:d='d'><d:ProbeMatch><d:XAddrs>{}</d:XAddrs></d:ProbeMatch></d:ProbeMatches>"
    )
    places = [
        "http://10.30.0.7/onvif/device_service",
        "http://[fe80::1]/x http://10.30.0.7:8080/onvif",
        "https://cam/",
    ]
    return [_SOAP.format(match.format(one)).encode() for one in places]


def _replies() -> Sequence[bytes]:
    body = _answers()[2]
    heads = (
        f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\nDate: Sat, 28 Nov 2026 10:00:00 GMT",
        'HTTP/1.1 401 no\r\nWWW-Authenticate: Digest realm="c", nonce="ab", qop="auth", algorithm=MD5',
        "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked",
    )
    chunked = f"{len(body):x}\r\n".encode() + body + b"\r\n0\r\n\r\n"
    return [one.encode() + b"\r\n\r\n" + (chunked if "chunked" in one else body) for one in heads]


_TAGS: Final = (
    b"<",
    b"</",
    b">",
    b"<!DOCTYPE x [",
    b"<!ENTITY a '",
    b"]>",
    b"&a;",
    b"&#65;",
    b"<![CDATA[",
    b" token='a'",
    b"<?xml version='1.0' encoding='utf-7'?>",
    b'"',
    b"\\",
    b"#",
)
TARGETS: Final = (
    Target(
        name="onvif-answers",
        about="what a camera says by ONVIF",
        prepare=pure(_xml),
        seeds=_answers,
        words=_TAGS,
        everyday=300,
    ),
    Target(
        name="onvif-http",
        about="HTTP answers",
        prepare=pure(_http),
        seeds=_replies,
        everyday=300,
        longest=40_000,
        words=(
            b"\r\n",
            b"Content-Length: ",
            b"Transfer-Encoding: chunked\r\n",
            b"Digest ",
            b"nonce=",
            b"algorithm=SHA-256",
            b"1\r\nx\r\n",
            b"-1",
            b"+9999",
        ),
    ),
    Target(
        name="onvif-everybody",
        about="answers to WS-Discovery",
        prepare=pure(_discovered),
        seeds=_matches,
        words=(*_TAGS, b"http://10.30.0.7"),
    ),
    Target(
        name="streams",
        about="addresses of streams",
        prepare=pure(_stream),
        longest=300,
        seeds=lambda: [
            b"rtsp://10.30.0.7:554/stream2?a=b",
            b"http://[::1]:80/mjpeg",
            b"file:/a.mp4",
            b"/dev/video0",
            b"rtsp://u:p@10.0.0.1/",
        ],
        words=(b"rtsp://", b"[", b"]", b"@", b"%25", b"127.0.0.1", b"?", b"#", b"\t", b"\n"),
    ),
    Target(
        name="records",
        about="records of the process that sees pictures",
        prepare=pure(_records),
        seeds=_record_seeds,
        words=(bytes((VERSION, What.NUMBER)), bytes((VERSION, What.NEWS))),
        everyday=600,
    ),
)
