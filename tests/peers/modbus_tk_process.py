"""The process behind ``tests.peers.modbus_servers`` for modbus-tk: one unit, over TCP or on a serial port.

Its first line of input is the memory as JSON; it answers with the port and serves until it is killed.
"""

from __future__ import annotations

import json
import sys
from importlib import import_module
from typing import Any

_BLOCKS = {"coil": 1, "discrete": 2, "holding": 3, "input": 4}  # modbus_tk.defines, COILS and so on


def main() -> None:
    """Serve what the first line tells."""
    told = json.loads(sys.stdin.readline())
    if "path" in told:
        port = import_module("serial").Serial(told["path"], baudrate=told["baud"])
        server = import_module("modbus_tk.modbus_rtu").RtuServer(port)
    else:
        server = import_module("modbus_tk.modbus_tcp").TcpServer(port=0, address="127.0.0.1")
    slave = server.add_slave(told["unit"])
    for table, values in told["tables"].items():
        slave.add_block(table, _BLOCKS[table], 0, len(values))
        slave.set_values(table, 0, values)
    refuse(told["refuse"])
    server._do_init()  # start() does it in its thread, and would not tell the port
    listener = getattr(server, "_sock", None)
    print(json.dumps({"port": listener.getsockname()[1] if listener else 0}), flush=True)  # noqa: T201
    while True:
        server._do_run()


def refuse(codes: dict[str, int]) -> None:
    """Answer requests that touch a holding register of *codes* with that exception."""
    error = import_module("modbus_tk.modbus").ModbusError

    def look(given: tuple[Any, bytes]) -> None:
        start, count = (int.from_bytes(given[1][at : at + 2], "big") for at in (1, 3))
        for addr, code in codes.items():
            if start <= int(addr) < start + count:
                raise error(code)

    hooks = import_module("modbus_tk.hooks")
    hooks.install_hook("modbus.Slave.handle_read_holding_registers_request", look)


if __name__ == "__main__":
    main()
