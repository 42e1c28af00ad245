"""The forbidden acts, each tried in earnest. An act counts as refused only if the cage refused it.

A pulled cable or a missing folder would also stop some of them: errors that may be luck are no proof.
"""

from __future__ import annotations

import ctypes
import errno
import mmap
import os
import resource
import socket
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple

from agent.core.sight import HOLES
from pipelines.vision.jail.libc import LIBC, PR_GET_DUMPABLE, prctl

_DISK: Final = frozenset(
    {errno.EROFS, errno.EACCES, errno.EPERM, errno.ENOENT, errno.EFBIG, errno.ENOTDIR, errno.EINVAL}
)
_CAGE: Final = frozenset({errno.EPERM, errno.EACCES, errno.EAFNOSUPPORT, errno.ENOENT})
_NEW_USER: Final = 0x10000000
_FOLDERS: Final = tuple(one.removeprefix("disk:") for one in HOLES if one.startswith("disk:"))
_SOCKETS: Final = {"unix:dbus": "/run/dbus/system_bus_socket", "unix:journal": "/run/systemd/journal/socket"}
_ELSEWHERE: Final = "192.0.2.1"  # of no network (RFC 5737)


class Probe(NamedTuple):
    """One act, its name among ``HOLES``, and the errors by which a cage refuses it."""

    name: str
    act: Callable[[], object]
    refusals: frozenset[int]


def of_unit(addresses: frozenset[str]) -> Iterator[Probe]:
    """Give what the service manager must have taken away before this process locks itself in."""
    yield from _files()
    yield from of_network(addresses)
    for name, path in _SOCKETS.items():
        yield Probe(name, partial(_connect, path), _CAGE)
    yield Probe("proc:1", _look_into_the_manager, _CAGE)
    yield Probe("wx-memory", _make_code, _CAGE)
    yield Probe("namespaces", _new_namespace, _CAGE)


def of_network(addresses: frozenset[str]) -> Iterator[Probe]:
    """Give those of other addresses than the cameras'.

    By UDP: a filter refuses a datagram at once, and lets a TCP connection hang. So before UDP is given up.
    """
    for name in ("127.0.0.1", _ELSEWHERE):
        if name not in addresses:
            yield Probe(f"net:{name}", partial(send, name), _CAGE)


def of_process(*, network: bool, landlocked: bool, scratch: int) -> Iterator[Probe]:
    """Give what this process must be unable to do once it is locked; *scratch* is an open memory file."""
    yield from _files()
    yield Probe("bytes", lambda: os.write(scratch, b"x"), _DISK)
    yield Probe("proc:1", _look_into_the_manager, _CAGE)
    yield Probe("wx-memory", _make_code, _CAGE)
    yield Probe("namespaces", lambda: _checked(LIBC.unshare(_NEW_USER)), _CAGE)
    yield Probe("exec", _start_program, _CAGE)
    yield Probe("memfd", lambda: os.memfd_create("x"), _CAGE)
    yield Probe("udp", lambda: _socket(socket.AF_INET, socket.SOCK_DGRAM), _CAGE)
    yield Probe("unix-socket", lambda: _socket(socket.AF_UNIX, socket.SOCK_STREAM), _CAGE)
    if network:
        yield Probe("listen", _listen, _CAGE)
    else:
        yield Probe("tcp", lambda: _socket(socket.AF_INET, socket.SOCK_STREAM), _CAGE)
    yield Probe("dumpable", lambda: _must_be_zero(prctl(PR_GET_DUMPABLE)), _CAGE)
    yield Probe("core", lambda: _must_be_zero(sum(resource.getrlimit(resource.RLIMIT_CORE))), _CAGE)
    yield Probe("rights", lambda: _must_be_zero(_capabilities()), _CAGE)
    if landlocked:
        yield Probe("reads", lambda: Path("/etc/passwd").read_bytes(), _CAGE)


def tried(probes: Iterator[Probe]) -> tuple[list[str], list[str]]:
    """Try them; give the names of those that worked or failed by luck, and of all."""
    found, every = [], []
    for one in probes:
        every.append(one.name)
        try:
            one.act()
        except OSError as error:
            if error.errno not in one.refusals:
                found.append(one.name)
        else:
            found.append(one.name)
    return found, every


def send(address: str) -> None:
    """Send one byte to the discard port of *address*."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as one:
        one.sendto(b"x", (address, 9))


def _files() -> Iterator[Probe]:
    for folder in _FOLDERS:
        yield Probe(f"disk:{folder}", partial(_make_file, folder), _DISK)


def _make_file(folder: str) -> None:
    # an empty one: a limit of bytes hides a folder in which names could be left
    path = os.path.join(folder, f".citygate-probe-{os.getpid()}")  # noqa: PTH118
    handle = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    os.close(handle)
    with suppress(OSError):  # it was made, whether or not it can be removed
        os.unlink(path)  # noqa: PTH108 - as plain as the act itself


def _connect(path: str) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as one:
        try:
            one.connect(path)
        except OSError as error:
            if error.errno not in (errno.EPROTOTYPE, errno.ECONNREFUSED):  # it was reached all the same
                raise


def _look_into_the_manager() -> None:
    with Path("/proc/1/mem").open("rb"):
        pass


def _make_code() -> None:
    mmap.mmap(-1, mmap.PAGESIZE, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC).close()


def _new_namespace() -> None:
    _in_a_child(lambda: os._exit(0 if LIBC.unshare(_NEW_USER) == 0 else 1))


def _start_program() -> None:
    _in_a_child(lambda: os.execv("/bin/true", ["true"]))  # noqa: S606 - it must fail


def _in_a_child(act: Callable[[], object]) -> None:
    """Try what would change this process, or be its end; the child's status 0 says that it worked."""
    child = os.fork()
    if child == 0:
        with suppress(OSError):
            act()
        os._exit(1)
    if os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) != 0:
        raise PermissionError(errno.EPERM, "refused")


def _socket(family: int, kind: int) -> None:
    socket.socket(family, kind).close()


def _listen() -> None:
    with socket.socket() as one:
        one.bind(("", 0))


def _capabilities() -> int:
    for line in Path("/proc/self/status").read_text("ascii").splitlines():
        if line.startswith("CapEff:"):
            return int(line.split()[1], 16)
    return 1


def _must_be_zero(number: int) -> None:
    if number == 0:
        raise PermissionError(errno.EPERM, "refused")


def _checked(result: int) -> None:
    if result < 0:
        raise OSError(ctypes.get_errno(), "refused")
