"""Gathers the facts from this computer, the files and the running gateway; decides nothing.

What cannot be looked at, because it belongs to somebody else or is not there, stays unknown.
"""

from __future__ import annotations

import grp
import ipaddress
import os
import platform
import pwd
import socket
import ssl
import stat
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from agent.config.load import load
from agent.core import host
from agent.core.certificate import validity
from agent.core.clock import kernel_is_synced
from agent.core.driver import CanBeFenced, CanBeWatched, Needs
from agent.core.errors import ConfigError, DriverError, GatewayError
from agent.core.plan import Plan, Recipient
from agent.core.secrets import PREFIX, is_sealed, secret_file
from agent.doctor.facts import Certificate, Facts, Listener, Lookup, Port, Want
from agent.outbox.outbox import FILE
from agent.prove.promises.files_are_closed_to_others import is_open
from agent.prove.running import pid_of
from agent.prove.sockets import is_loopback, sockets_of
from agent.reach import dated
from agent.release import installed, release
from agent.status import ask

_PATIENCE: Final = 5.0
_USER: Final = "citygate"
_TELEMETRY: Final = ".cache/Microsoft/DeveloperTools/.onnxruntime"


def gather(folder: Path, state: Path, control: Path, root: Path = host.ROOT) -> Facts:
    """Look at everything once; takes some seconds where name servers do not answer."""
    plan, fault = _plan(folder)
    pid = pid_of(control)
    place = Path(plan.outbox.path) if plan and plan.outbox.path else state
    total, free, read_only = _space(place)
    own = _status_lines(root, pid)
    wants, ports = _needs(plan, pid)
    return Facts(
        now=time.time(), release=release(), config_fault=fault,
        config_warnings=plan.warnings if plan else (),
        running=pid is not None, status=_asked(control) if pid is not None else None,
        runs_as_root=own.get("Uid", "1").split()[0] == "0",
        seccomp_filter=own["Seccomp"] == "2" if "Seccomp" in own else None,
        listeners=tuple(_listeners(pid)),
        kernel=platform.release(),
        has_seccomp=(root / "proc/sys/kernel/seccomp/actions_avail").exists(),
        has_landlock="landlock" in host.text(root / "sys/kernel/security/lsm"),
        controllers=_controllers(root), swaps=tuple(_swaps(root)),
        state=str(place), free=free, size=total, read_only=read_only,
        cap=float(plan.outbox.cap) if plan else 0.0, used=_used(place),
        file_errors=sum(_count(one) for one in (root / "sys/fs/ext4").glob("*/errors_count")),
        wear=host.card_wear(root), temperature=host.temperature(root),
        undervoltage=host.undervoltage(root), memory=host.memory(root),
        synced=kernel_is_synced(), has_rtc=(root / "sys/class/rtc/rtc0").exists(), built=installed(),
        lookups=tuple(_lookups(plan.recipients if plan else ())),
        certificates=tuple(_certificates(plan)),
        open_files=tuple(_open_files(folder, place)),
        open_credentials=tuple(_open_credentials(folder)),
        wants=tuple(wants), ports=tuple(ports), missing_models=tuple(_missing_models(plan)),
        telemetry=tuple(_telemetry(state)), versions=_versions(),
    )  # fmt: skip


def _plan(folder: Path) -> tuple[Plan | None, str]:
    try:
        return load(folder), ""
    except ConfigError as error:
        return None, str(error)


def _asked(control: Path) -> dict[str, Any] | None:
    try:
        return ask(control, {"ask": "status"}, patience=_PATIENCE)
    except GatewayError:
        return None


def _status_lines(root: Path, pid: int | None) -> dict[str, str]:
    lines = host.text(root / "proc" / str(pid) / "status").splitlines() if pid else []
    return {name: rest.strip() for name, _, rest in (one.partition(":") for one in lines)}


def _listeners(pid: int | None) -> Iterator[Listener]:
    if pid is not None:
        with suppress(PermissionError, FileNotFoundError):
            for one in sockets_of(pid):
                open_udp = one.kind == "udp" and one.remote.endswith(":0")
                if (one.listens or open_udp) and not is_loopback(one.local):
                    yield Listener(one.kind, one.local)


def _controllers(root: Path) -> tuple[str, ...] | None:
    path = root / "sys/fs/cgroup/cgroup.controllers"
    return tuple(host.text(path).split()) if path.exists() else None


def _swaps(root: Path) -> Iterator[str]:
    """Name the swap areas on disks; compressed memory is none."""
    for line in host.text(root / "proc/swaps").splitlines()[1:]:
        if (name := line.split()[0]) and not name.startswith("/dev/zram"):
            yield name


def _space(place: Path) -> tuple[float | None, float | None, bool]:
    try:
        found = os.statvfs(place)
    except OSError:
        return None, None, False
    size = found.f_frsize
    return float(found.f_blocks * size), float(found.f_bavail * size), bool(found.f_flag & os.ST_RDONLY)


def _used(place: Path) -> float:
    with suppress(OSError):
        return float((place / FILE).stat().st_size)
    return 0.0


def _count(path: Path) -> int:
    text = host.text(path)
    return int(text) if text.isdecimal() else 0


def _lookups(recipients: Iterable[Recipient]) -> Iterator[Lookup]:
    for name in sorted({one.reached[0] for one in recipients}):
        with suppress(ValueError):
            ipaddress.ip_address(name)
            continue
        yield Lookup(name, _looked_up(name))


def _looked_up(name: str) -> str:
    """Give why no address is known; a name server that never answers is not waited for longer than that."""
    said = [f"no answer within {_PATIENCE:g} s"]

    def look() -> None:
        try:
            socket.getaddrinfo(name, None)
            said[0] = ""
        except OSError as error:
            said[0] = error.strerror or str(error)

    worker = threading.Thread(target=look, daemon=True)
    worker.start()
    worker.join(_PATIENCE)
    return said[0]


def _certificates(plan: Plan | None) -> Iterator[Certificate]:
    for one in dated(plan) if plan else ():
        if one.reference.startswith(PREFIX) and is_sealed(one.reference):
            continue  # only the services can open it: the running gateway looks at its end
        whose = one.name if one.whose == "recipient" else f"{one.whose} {one.name}"
        yield _one_certificate(whose, one.role, one.reference)


def _one_certificate(whose: str, role: str, reference: str) -> Certificate:
    try:
        path = secret_file(reference)
        span = validity(path)
    except ConfigError as error:
        return Certificate(whose=whose, role=role, path=reference, trouble=str(error))
    except OSError as error:
        told = error.strerror or str(error)
        return Certificate(whose=whose, role=role, path=reference, trouble=told)
    if span is None:
        told = "it holds no certificate in PEM form"
        return Certificate(whose=whose, role=role, path=str(path), trouble=told)
    return Certificate(whose=whose, role=role, path=str(path), begin=span[0], end=span[1])


def _open_files(folder: Path, place: Path) -> Iterator[str]:
    top = folder if folder.is_dir() else folder.parent
    for path in (top, *sorted(top.rglob("*.toml")), place):
        with suppress(OSError):
            if is_open(path, stat.S_IWOTH) and not path.stat().st_mode & stat.S_ISVTX:
                yield str(path)


def _open_credentials(folder: Path) -> Iterator[str]:
    top = folder if folder.is_dir() else folder.parent
    with suppress(OSError):
        for path in sorted((top / "credentials").iterdir()):
            if path.is_file() and is_open(path, stat.S_IROTH):
                yield str(path)


def _needs(plan: Plan | None, pid: int | None) -> tuple[list[Want], list[Port]]:
    wants, ports = [], []
    for link in plan.links if plan else ():
        try:
            needs = link.driver.needs() if isinstance(link.driver, CanBeFenced) else Needs()
        except DriverError:
            continue  # the network card is not there yet: the daemon tells more of it
        wants += [_want(link.name, Path(one)) for one in (*needs.ports, *needs.lent)]
        if needs.udp is not None:
            ports.append(Port(link=link.name, number=needs.udp, taken=_is_taken(needs.udp, pid)))
    return wants, ports


def _want(link: str, path: Path) -> Want:
    try:
        found = path.stat()
    except OSError:
        return Want(link=link, path=str(path), exists=False)
    try:
        group = grp.getgrgid(found.st_gid).gr_name
    except KeyError:
        group = str(found.st_gid)
    open_to_all = bool(found.st_mode & stat.S_IROTH)
    return Want(
        link=link, path=str(path), exists=True, group=group, allowed=open_to_all or _may(found.st_gid)
    )


def _may(group: int) -> bool:
    """Say whether the gateway's user is of *group*; without such a user, whether we are."""
    try:
        user = pwd.getpwnam(_USER)
    except KeyError:
        return os.geteuid() == 0 or group in os.getgroups()
    return group in os.getgrouplist(user.pw_name, user.pw_gid)


def _is_taken(port: int, pid: int | None) -> bool:
    """Say whether another program has the UDP port; a gateway of ours that runs has it itself."""
    if pid is not None or port == 0:
        return False
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind(("0.0.0.0", port))  # noqa: S104 - nothing is received: it is closed at once
        except OSError:
            return True
    return False


def _missing_models(plan: Plan | None) -> Iterator[str]:
    for link in plan.links if plan else ():
        if isinstance(link.driver, CanBeWatched) and not Path(link.driver.watched().model).exists():
            yield link.driver.watched().model


def _telemetry(state: Path) -> Iterator[str]:
    homes = {Path(one.pw_dir) for one in pwd.getpwall()} | {Path.home(), state}
    for home in sorted(homes):
        with suppress(OSError):
            if (home / _TELEMETRY).exists():
                yield str(home / _TELEMETRY)


def _versions() -> tuple[tuple[str, str], ...]:
    from importlib.metadata import PackageNotFoundError, version

    found = [("citygate", release()), ("python", platform.python_version()), ("kernel", platform.release())]
    found.append(("openssl", ssl.OPENSSL_VERSION.split()[1]))
    for name in ("msgspec", "aiomqtt", "paho-mqtt", "pyserial", "onnxruntime"):
        with suppress(PackageNotFoundError):
            found.append((name, version(name)))
    return tuple(found)
