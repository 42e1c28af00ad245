"""A meter of 3.4 kW for a computer without any library: input registers over Modbus TCP."""

from __future__ import annotations

import socketserver
import struct
import sys
from typing import Final

_VALUES: Final = {0x34: 3400.0, 0x48: 1234.5}  # SDM630: W in all, kWh imported


class Meter(socketserver.StreamRequestHandler):
    """Answers function 4 with float32 values, and zeros where there is none."""

    def handle(self) -> None:
        """Serve one connection."""
        while len(head := self.rfile.read(12)) == 12:
            number, _, _, unit, function, first, count = struct.unpack(">HHHBBHH", head)
            if unit != 1 or function != 4:
                body = struct.pack(">BBB", unit, function | 0x80, 1)
            else:
                words = b"".join(self._word(addr) for addr in range(first, first + count))
                body = struct.pack(">BBB", unit, function, len(words)) + words
            self.wfile.write(struct.pack(">HHH", number, 0, len(body)) + body)

    def _word(self, addr: int) -> bytes:
        value = struct.pack(">f", _VALUES.get(addr & ~1, 0.0))
        return value[2:] if addr & 1 else value[:2]


if __name__ == "__main__":
    socketserver.ThreadingTCPServer.allow_reuse_address = True
    where = sys.argv[1] if sys.argv[1:] else "10.20.0.15"
    socketserver.ThreadingTCPServer((where, 502), Meter).serve_forever()
