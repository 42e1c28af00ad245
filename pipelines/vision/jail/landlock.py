"""Landlock, see landlock(7): only named files can be reached, and only the cameras' ports.

Many gateways' kernels lack it, so nothing may rest on it alone. Each version adds rights; what an older
kernel does not know is left out.
"""

from __future__ import annotations

import ctypes
import os
import stat
import struct
from collections.abc import Iterable, Sequence
from typing import Final

from pipelines.vision.jail.libc import LIBC, PR_SET_NO_NEW_PRIVS, prctl, syscall

_CREATE, _ADD_RULE, _RESTRICT = 444, 445, 446
_PATH_BENEATH, _NET_PORT = 1, 2
_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR = 1, 2, 4, 8
_TRUNCATE, _IOCTL_DEV = 1 << 14, 1 << 15
_OF_FILES: Final = _READ_FILE | _EXECUTE | _WRITE_FILE | _TRUNCATE | _IOCTL_DEV
_BIND_TCP, _CONNECT_TCP = 1, 2
_SCOPED: Final = 3  # abstract sockets and signals stay within


def version() -> int:
    """Give the version of Landlock that the kernel has; 0: none."""
    found: int = LIBC.syscall(ctypes.c_long(_CREATE), None, ctypes.c_size_t(0), 1)
    return max(0, found)


def restrict(read: Iterable[str], devices: Iterable[str], ports: Sequence[int]) -> None:
    """Reach only what lies below *read*, *devices*, and TCP *ports*, if the kernel can do that."""
    has = version()
    if not has:
        return
    files = (1 << 13) - 1
    files |= (1 << 13 if has >= 2 else 0) | (_TRUNCATE if has >= 3 else 0) | (_IOCTL_DEV if has >= 5 else 0)
    net = _BIND_TCP | _CONNECT_TCP if has >= 4 else 0
    attributes = struct.pack("=QQQ", files, net, _SCOPED if has >= 6 else 0)
    size = 8 if has < 4 else 16 if has < 6 else 24
    rules = syscall(_CREATE, ctypes.create_string_buffer(attributes), ctypes.c_size_t(size), 0)
    try:
        for path in read:
            _allow(rules, path, (_READ_FILE | _READ_DIR) & files)
        for path in devices:
            _allow(rules, path, (_READ_FILE | _WRITE_FILE | _IOCTL_DEV) & files)
        for port in ports if net else ():
            rule = ctypes.create_string_buffer(struct.pack("=QQ", _CONNECT_TCP, port))
            syscall(_ADD_RULE, rules, _NET_PORT, rule, 0)
        prctl(PR_SET_NO_NEW_PRIVS, 1)
        syscall(_RESTRICT, rules, 0)
    finally:
        os.close(rules)


def _allow(rules: int, path: str, rights: int) -> None:
    try:
        place = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    try:
        is_folder = stat.S_ISDIR(os.fstat(place).st_mode)
        allowed = rights if is_folder else rights & _OF_FILES
        rule = ctypes.create_string_buffer(struct.pack("=Qi", allowed, place))
        syscall(_ADD_RULE, rules, _PATH_BENEATH, rule, 0)
    finally:
        os.close(place)
