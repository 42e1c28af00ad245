"""The process behind ``tests.peers.serial_line``: a Modbus RTU slave on libmodbus, through ctypes.

Run: ``python libmodbus_rtu_process.py libmodbus.so.5 PORT BAUD PARITY UNIT``. Register *i* of either kind
holds *i*, bit *i* is set where *i* is a multiple of three. It says ``ready`` and serves until it is killed.
"""

from __future__ import annotations

import ctypes
import sys

_BITS, _REGISTERS, _LONGEST = 2000, 10_000, 260


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


def main(library: str, port: str, baud: str, parity: str, unit: str) -> int:
    """Serve; 1 if libmodbus cannot open the port."""
    lib = ctypes.CDLL(library)
    lib.modbus_new_rtu.restype = ctypes.c_void_p
    lib.modbus_mapping_new.restype = ctypes.POINTER(_Mapping)
    context = ctypes.c_void_p(
        lib.modbus_new_rtu(port.encode(), int(baud), ctypes.c_char(parity.encode()), 8, 1)
    )
    lib.modbus_set_slave(context, int(unit))
    if lib.modbus_connect(context):
        return 1
    mapping = lib.modbus_mapping_new(_BITS, _BITS, _REGISTERS, _REGISTERS)
    for i in range(_REGISTERS):
        mapping.contents.tab_registers[i] = mapping.contents.tab_input_registers[i] = i
    for i in range(_BITS):
        mapping.contents.tab_bits[i] = mapping.contents.tab_input_bits[i] = int(i % 3 == 0)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    query = (ctypes.c_uint8 * _LONGEST)()
    while True:
        size = lib.modbus_receive(context, query)
        if size > 0:
            lib.modbus_reply(context, query, size, mapping)


if __name__ == "__main__":
    raise SystemExit(main(*sys.argv[1:]))
