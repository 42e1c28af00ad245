"""Asks an HTTP server to go on with WebSocket, and judges its answer: pure and strict.

Nothing is believed but what we asked for: this key's answer, the protocol ``mqtt``, no extensions; an answer
that sends us elsewhere is not followed. Source: RFC 6455, chapter 4; OASIS MQTT 5.0, chapter 6.
"""

from __future__ import annotations

import binascii
from hashlib import sha1
from typing import Final

from agent.core.errors import UplinkError

_MOST: Final = 8192  # bytes of the answer's head
_NAME: Final = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # of the protocol, the same for everybody
_USUAL: Final = {False: 80, True: 443}
_ELSEWHERE: Final = "it sends us elsewhere, where we do not go by ourselves: write that address as the broker"
_CURES: Final = {
    301: _ELSEWHERE,
    302: _ELSEWHERE,
    307: _ELSEWHERE,
    308: _ELSEWHERE,
    400: "it does not take our request: is the path right?",
    401: "it wants a login of its own before MQTT begins: ask its operator for a way without",
    403: "it does not allow this path, or not to us: ask its operator",
    404: "there is nothing at this path: ask its operator, and write the path behind the port",
    426: "there is no WebSocket at this path: ask its operator, and write the path behind the port",
    502: "what stands before the broker cannot reach it",
    503: "what stands before the broker cannot reach it just now",
    504: "the broker does not answer what stands before it",
}


def request(host: str, port: int, path: str, key: bytes, *, is_encrypted: bool) -> bytes:
    """Write the request; *key* is 16 bytes of chance."""
    name = f"[{host}]" if ":" in host else host
    where = name if port == _USUAL[is_encrypted] else f"{name}:{port}"
    lines = [
        f"GET {path} HTTP/1.1",
        f"Host: {where}",
        "Upgrade: websocket",
        "Connection: Upgrade",
        f"Sec-WebSocket-Key: {_base64(key)}",
        "Sec-WebSocket-Protocol: mqtt",
        "Sec-WebSocket-Version: 13",
    ]
    return "\r\n".join([*lines, "", ""]).encode()


class Answer:
    """The server's answer on its way; *where* names the server in what is said of it."""

    def __init__(self, where: str, key: bytes) -> None:
        self._where = where
        # SHA-1 shows that the answer is one to this request; it keeps no secret
        self._accept = _base64(sha1(_base64(key).encode() + _NAME, usedforsecurity=False).digest())
        self._kept = b""

    def feed(self, data: bytes) -> bytes | None:
        """Give what follows a good answer, None while that is not complete; raise UplinkError."""
        self._kept += data
        head, whole, rest = self._kept.partition(b"\r\n\r\n")
        if len(head) > _MOST:
            raise UplinkError(f"{self._where} answers with a head of more than {_MOST} bytes")
        if not b"HTTP/1.".startswith(self._kept[:7]):
            raise UplinkError(f"{self._where} does not speak HTTP; are ws:// or wss:// right for this port?")
        if not whole:
            return None
        self._judge(head.split(b"\r\n"))
        return rest

    def _judge(self, lines: list[bytes]) -> None:
        words = lines[0].split(b" ", 2)
        if len(words) < 2 or not words[1].isdigit() or len(words[1]) != 3:
            raise UplinkError(f"{self._where} does not answer as HTTP servers do")
        if (status := int(words[1])) != 101:
            cure = _CURES.get(status, "ask its operator")
            raise UplinkError(f"{self._where} does not go on with WebSocket ({status}): {cure}")
        said = self._fields(lines[1:])
        self._agree("upgrade", said.get("upgrade", "").lower() == "websocket")
        told = [word.strip().lower() for word in said.get("connection", "").split(",")]
        self._agree("connection", "upgrade" in told)
        self._agree("sec-websocket-accept", said.get("sec-websocket-accept") == self._accept)
        self._agree("sec-websocket-extensions", "sec-websocket-extensions" not in said)
        if said.get("sec-websocket-protocol") != "mqtt":
            raise UplinkError(
                f"{self._where} speaks WebSocket, but not MQTT within it: is the path right? nothing was sent"
            )

    def _fields(self, lines: list[bytes]) -> dict[str, str]:
        """Read the fields; one of ours that comes twice, or a line that is none, spoils them all."""
        said: dict[str, str] = {}
        for line in lines:
            name, colon, value = line.decode("latin-1").partition(":")
            lower = name.lower()
            doubled = lower in said and lower.startswith("sec-websocket-")
            if not colon or not name or name != name.strip() or doubled:
                raise UplinkError(f"{self._where} does not answer as HTTP servers do")
            said[lower] = f"{said[lower]}, {value.strip()}" if lower in said else value.strip()
        return said

    def _agree(self, field: str, is_right: bool) -> None:
        if not is_right:
            raise UplinkError(
                f"{self._where} does not go on with WebSocket as it should: its {field} is wrong; is there a "
                "proxy that does not know WebSocket? nothing was sent"
            )


def _base64(raw: bytes) -> str:
    return binascii.b2a_base64(raw, newline=False).decode()
