"""The process behind ``tests.peers.libmodbus``: libmodbus through ctypes, told what to do by JSON lines.

libmodbus reads the requests and writes the answers; this file only accepts connections, counts, and keeps
the register maps. Run: ``python libmodbus_process.py libmodbus.so.5``. It ends when its input ends.
"""

from __future__ import annotations

import ctypes
import json
import os
import selectors
import socket
import sys
import time
from typing import Any

_TABLES = {"coil": 1, "discrete": 2, "holding": 3, "input": 4}
_BITS, _REGISTERS, _LONGEST, _HEADER = 2000, 10_000, 260, 7


class _Mapping(ctypes.Structure):
    """``modbus_mapping_t``."""

    _fields_ = (
        *((name, ctypes.c_int) for name in ("nb_bits", "start_bits", "nb_input_bits", "start_input_bits")),
        *((name, ctypes.c_int) for name in ("nb_input_registers", "start_input_registers")),
        *((name, ctypes.c_int) for name in ("nb_registers", "start_registers")),
        ("tab_bits", ctypes.POINTER(ctypes.c_uint8)),
        ("tab_input_bits", ctypes.POINTER(ctypes.c_uint8)),
        ("tab_input_registers", ctypes.POINTER(ctypes.c_uint16)),
        ("tab_registers", ctypes.POINTER(ctypes.c_uint16)),
    )


class Server:
    """One listener; a map per unit, made when it is first asked for."""

    def __init__(self, library: str) -> None:
        self.lib = ctypes.CDLL(library)
        self.lib.modbus_new_tcp.restype = ctypes.c_void_p
        self.lib.modbus_mapping_new.restype = ctypes.POINTER(_Mapping)
        self.context = ctypes.c_void_p(self.lib.modbus_new_tcp(b"127.0.0.1", 0))
        self.maps: dict[int, Any] = {}
        self.presets: list[dict[str, Any]] = []
        self.refusals: list[dict[str, Any]] = []
        self.muted: set[int] = set()
        self.requests: list[list[int]] = []
        self.pause, self.ever, self.open = 0.0, 0, 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.selector = selectors.DefaultSelector()
        self.selector.register(self.listener, selectors.EVENT_READ)
        self.selector.register(sys.stdin, selectors.EVENT_READ)

    def run(self) -> None:
        say({"port": self.listener.getsockname()[1]})
        told = b""
        while True:
            for key, _ in self.selector.select():
                if key.fileobj is self.listener:
                    connection, _ = self.listener.accept()
                    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    self.selector.register(connection, selectors.EVENT_READ)
                    self.ever, self.open = self.ever + 1, self.open + 1
                elif isinstance(key.fileobj, socket.socket):
                    self.serve(key.fileobj)
                else:
                    if not (more := os.read(0, 65536)):
                        return
                    *lines, told = (told + more).split(b"\n")
                    for line in lines:
                        say(self.obey(json.loads(line)))

    def serve(self, connection: socket.socket) -> None:
        self.lib.modbus_set_socket(self.context, connection.fileno())
        query = (ctypes.c_uint8 * _LONGEST)()
        length = self.lib.modbus_receive(self.context, query)
        if length <= 0:
            self.selector.unregister(connection)
            connection.close()
            self.open -= 1
            return
        request = bytes(query[:length])
        unit, function = request[6], request[7]
        addr, count = int.from_bytes(request[8:10], "big"), int.from_bytes(request[10:12], "big")
        self.requests.append([unit, function, addr, count])
        time.sleep(self.pause)
        if unit in self.muted:
            return
        for bad in self.refusals:
            end = bad["addr"] + bad["size"]
            if _TABLES[bad["table"]] == function and addr < end and bad["addr"] < addr + count:
                self.lib.modbus_reply_exception(self.context, query, bad["code"])
                return
        self.lib.modbus_reply(self.context, query, length, self.map(unit))

    def map(self, unit: int) -> Any:  # noqa: ANN401 - a ctypes pointer
        if unit not in self.maps:
            made = self.lib.modbus_mapping_new(_BITS, _BITS, _REGISTERS, _REGISTERS)
            for i in range(_REGISTERS):
                made.contents.tab_registers[i] = made.contents.tab_input_registers[i] = i
            self.maps[unit] = made
            for preset in self.presets:
                self.store(made, preset)
        return self.maps[unit]

    def store(self, target: Any, what: dict[str, Any]) -> None:  # noqa: ANN401 - a ctypes pointer
        name = {"coil": "tab_bits", "discrete": "tab_input_bits"}.get(what["table"])
        name = name or {"input": "tab_input_registers", "holding": "tab_registers"}[what["table"]]
        for i, value in enumerate(what["values"]):
            getattr(target.contents, name)[what["addr"] + i] = value

    def obey(self, what: dict[str, Any]) -> dict[str, Any]:
        match what["do"]:
            case "set" if what["unit"] is None:
                self.presets.append(what)
                for one in self.maps.values():
                    self.store(one, what)
            case "set":
                self.store(self.map(what["unit"]), what)
            case "refuse":
                self.refusals.append(what)
            case "relent":
                self.refusals.clear()
            case "mute":
                self.muted = set(what["units"])
            case "delay":
                self.pause = what["seconds"]
            case "requests":
                seen, self.requests = self.requests, []
                return {"requests": seen}
            case "connections":
                return {"ever": self.ever, "open": self.open}
        return {}


def say(what: dict[str, Any]) -> None:
    """Answer with one line."""
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    Server(sys.argv[1]).run()
