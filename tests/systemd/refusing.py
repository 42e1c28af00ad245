"""A camera (RTSP, port 554) and a proxy (HTTP, port 3128) that ask for a login and take none.

What spoke to it, it notes in /story/asked: rtsp or http, once a login was offered.
"""

from __future__ import annotations

import socketserver
import sys
import threading
from pathlib import Path

ASKED = Path("/story/asked")


class Refusing(socketserver.StreamRequestHandler):
    """Says 401 or 407 to everything."""

    def handle(self) -> None:
        """Answer until the other side has enough."""
        while head := self._head():
            is_rtsp = b"RTSP/" in head[0]
            if any(b"uthorization:" in line for line in head):
                with ASKED.open("a", encoding="ascii") as file:
                    file.write("rtsp\n" if is_rtsp else "http\n")
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


if __name__ == "__main__":
    socketserver.ThreadingTCPServer.allow_reuse_address = True
    camera = socketserver.ThreadingTCPServer((sys.argv[1], 554), Refusing)
    threading.Thread(target=camera.serve_forever).start()
    socketserver.ThreadingTCPServer((sys.argv[2], 3128), Refusing).serve_forever()
