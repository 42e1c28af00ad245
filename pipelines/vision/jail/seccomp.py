"""A filter of system calls, see seccomp(2): no program, no socket but to a camera, no file written or made.

It looks into arguments where that tells what matters: how a file is opened, what kind of socket is made,
whether memory would be writable and executable. It holds in every thread, and cannot be taken off.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import socket
import struct
from typing import Final

from pipelines.vision.jail.calls import MACHINES
from pipelines.vision.jail.libc import PR_SET_NO_NEW_PRIVS, prctl, syscall

_NEVER: Final = (
    # other programs, other processes, and calls that reach round every other filter
    "execve", "execveat", "ptrace", "process_vm_readv", "process_vm_writev", "pidfd_getfd",
    "pidfd_send_signal", "io_uring_setup", "bpf", "userfaultfd", "perf_event_open", "personality",
    "mount", "unshare", "setns", "open_tree", "move_mount", "fsopen", "keyctl", "add_key",
    "kexec_load", "init_module", "finit_module", "pkey_mprotect",
    # bytes out of this process by other ways than write() to what is open
    "sendmsg", "sendmmsg", "sendfile", "splice", "tee", "vmsplice", "memfd_create", "memfd_secret",
    "shmget", "semget", "msgget", "mq_open", "bind", "listen", "accept", "accept4", "socketpair",
    # names, times and rights of files can carry data as well
    "creat", "openat2", "open_by_handle_at", "truncate", "ftruncate", "fallocate", "mkdir", "mkdirat",
    "rmdir", "mknod", "mknodat", "link", "linkat", "symlink", "symlinkat", "rename", "renameat",
    "renameat2", "unlink", "unlinkat", "chmod", "fchmod", "fchmodat", "fchmodat2", "chown", "fchown",
    "lchown", "fchownat", "setxattr", "lsetxattr", "fsetxattr", "utime", "utimes", "futimesat",
    "utimensat",
)  # fmt: skip
_WITHOUT_NETWORK: Final = ("connect", "sendto")
_O_TMPFILE: Final = 0o20000000
_MAKING: Final = os.O_CREAT | os.O_TRUNC | _O_TMPFILE
_WRITE, _EXEC = 2, 4
_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _AND, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x54, 0x06
_ALLOW, _DENY, _KILL = 0x7FFF0000, 0x00050000 | errno.EPERM, 0x80000000
_NUMBER, _MACHINE = 0, 4  # where struct seccomp_data has them
_MODE_FILTER, _ALL_THREADS = 1, 1

Instruction = tuple[int, int, int, int]  # code, jump if true, jump if false, operand


def install(*, network: bool, devices: bool) -> None:
    """Filter every thread; *network*: TCP sockets may be made, *devices*: one may be opened for writing."""
    machine = MACHINES[platform.machine()]
    code = program(machine.audit, machine.calls, network=network, devices=devices)
    raw = b"".join(struct.pack("=HBBI", *one) for one in code)
    held = ctypes.create_string_buffer(raw, len(raw))
    header = ctypes.create_string_buffer(struct.pack("@HP", len(code), ctypes.addressof(held)))
    prctl(PR_SET_NO_NEW_PRIVS, 1)
    syscall(machine.calls["seccomp"], ctypes.c_uint(_MODE_FILTER), ctypes.c_uint(_ALL_THREADS), header)


def program(audit: int, calls: dict[str, int], *, network: bool, devices: bool) -> list[Instruction]:
    """Write the filter for a kind of computer."""
    code: list[Instruction] = [
        (_LOAD, 0, 0, _MACHINE),
        (_EQUAL, 1, 0, audit),
        (_RETURN, 0, 0, _KILL),
        (_LOAD, 0, 0, _NUMBER),
    ]
    if audit == MACHINES["x86_64"].audit:
        code += [(_AT_LEAST, 0, 1, 0x40000000), (_RETURN, 0, 0, _KILL)]  # the same calls by other numbers
    for name in (*_NEVER, *(() if network else _WITHOUT_NETWORK)):
        if name in calls:
            code += [(_EQUAL, 0, 1, calls[name]), (_RETURN, 0, 0, _DENY)]
    forbidden = _MAKING | (os.O_WRONLY if devices else os.O_ACCMODE)
    for name, place in (("open", 1), ("openat", 2)):
        if name in calls:
            code += _if(calls[name], [_argument(place), (_ANY_BIT, 0, 1, forbidden), _refuse()])
    code += _if(calls["mprotect"], [_argument(2), (_ANY_BIT, 0, 1, _EXEC), _refuse()])
    both = _WRITE | _EXEC
    code += _if(calls["mmap"], [_argument(2), (_AND, 0, 0, both), (_EQUAL, 0, 1, both), _refuse()])
    code += _if(calls["socket"], _sockets() if network else [_refuse()])
    return [*code, (_RETURN, 0, 0, _ALLOW)]


def _if(number: int, then: list[Instruction]) -> list[Instruction]:
    """Do *then*, and allow what it did not refuse, for one call."""
    return [(_EQUAL, 0, len(then) + 1, number), *then, (_RETURN, 0, 0, _ALLOW)]


def _sockets() -> list[Instruction]:
    """Refuse all but streams over IP."""
    return [
        _argument(0),
        (_EQUAL, 2, 0, socket.AF_INET),
        (_EQUAL, 1, 0, socket.AF_INET6),
        _refuse(),
        _argument(1),
        (_AND, 0, 0, 0xF),  # without SOCK_CLOEXEC and SOCK_NONBLOCK
        (_EQUAL, 1, 0, socket.SOCK_STREAM),
        _refuse(),
    ]


def _argument(place: int) -> Instruction:
    return (_LOAD, 0, 0, 16 + 8 * place)  # its lower half: both machines are little-endian


def _refuse() -> Instruction:
    return (_RETURN, 0, 0, _DENY)
