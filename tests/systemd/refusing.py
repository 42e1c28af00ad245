"""A camera, a proxy and a broker that ask for a login and take none; what was offered to them, they keep.

Who was offered something stands in ``asked`` (rtsp, http, mqtt or websocket), the bytes in ``offered``.
"""

from __future__ import annotations

import base64
import hashlib
import socketserver
import ssl
import sys
import threading
from pathlib import Path

_MAGIC = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455
_writing = threading.Lock()


class Folder:
    """Where the refusing ones write to."""

    place = Path("/story")


def note(who: str, offered: bytes) -> None:
    """Keep what *who* was offered."""
    with _writing:
        for name, data in (("asked", f"{who}\n".encode()), ("offered", offered + b"\n")):
            with (Folder.place / name).open("ab") as file:
                file.write(data)


class Asking(socketserver.StreamRequestHandler):
    """Says 401 to every RTSP request and 407 to every HTTP one."""

    def handle(self) -> None:
        """Answer until the other side has enough."""
        while head := self._head():
            is_rtsp = b"RTSP/" in head[0]
            logins = [line for line in head if b"uthorization:" in line]
            if logins:
                note("rtsp" if is_rtsp else "http", b"\n".join(logins))
            number = next((line for line in head if line.lower().startswith(b"cseq")), b"CSeq: 0")
            self.wfile.write(
                b"RTSP/1.0 401 Unauthorized\r\n" + number + b'\r\nWWW-Authenticate: Basic realm="x"\r\n\r\n'
                if is_rtsp
                else b'HTTP/1.1 407 No\r\nProxy-Authenticate: Basic realm="x"\r\nContent-Length: 0\r\n\r\n'
            )

    def _head(self) -> list[bytes]:
        lines: list[bytes] = []
        while line := self.rfile.readline().strip():
            lines.append(line)
        return lines


class Door(socketserver.BaseRequestHandler):
    """A broker with TLS, also within WebSocket, that answers each CONNECT with "not authorised"."""

    tls: ssl.SSLContext

    def handle(self) -> None:
        """Let one client in as far as its login."""
        with self.tls.wrap_socket(self.request, server_side=True) as line:
            shown = line.getpeercert() or {}
            data = line.recv(65536)
            is_web = data.startswith(b"GET ")
            if is_web:
                line.sendall(_accepted(data))
                data = _unmasked(line.recv(65536))
            note("websocket" if is_web else "mqtt", data + str(shown.get("subject", "")).encode())
            is_five = b"\0\4MQTT\5" in data[:16]
            refusal = b"\x20\x03\x00\x87\x00" if is_five else b"\x20\x02\x00\x05"
            line.sendall(bytes((0x82, len(refusal))) + refusal if is_web else refusal)
            line.recv(1000)


class DoorServer(socketserver.ThreadingTCPServer):
    """Serves many; one that hangs up in the middle is no news."""

    allow_reuse_address = True
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing."""


def _accepted(asked: bytes) -> bytes:
    headers = dict(line.split(b": ", 1) for line in asked.split(b"\r\n") if b": " in line)
    key = next(value for name, value in headers.items() if name.lower() == b"sec-websocket-key")
    answer = base64.b64encode(hashlib.sha1(key + _MAGIC).digest())  # noqa: S324 - RFC 6455 wants it
    return (
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Protocol: mqtt\r\nSec-WebSocket-Accept: " + answer + b"\r\n\r\n"
    )


def _unmasked(frame: bytes) -> bytes:
    at = {126: 4, 127: 10}.get(frame[1] & 0x7F, 2)
    mask, body = frame[at : at + 4], frame[at + 4 :]
    return bytes(one ^ mask[index % 4] for index, one in enumerate(body))


def serve(server: socketserver.BaseServer) -> None:
    """Let *server* serve beside us."""
    threading.Thread(target=server.serve_forever, daemon=True).start()


def asking(host: str, port: int) -> socketserver.ThreadingTCPServer:
    """Give the camera or proxy at *host*; port 0: any."""
    return DoorServer((host, port), Asking)


if __name__ == "__main__":
    camera, proxy, door = sys.argv[1:4]
    Door.tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile="/story/city-ca.pem")
    Door.tls.verify_mode = ssl.CERT_OPTIONAL
    Door.tls.load_cert_chain("/story/others.pem", "/story/others.key")
    serve(asking(camera, 554))
    serve(asking(proxy, 3128))
    DoorServer((door, 8883), Door).serve_forever()
