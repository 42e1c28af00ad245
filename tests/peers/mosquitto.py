"""A real mosquitto with a password file, an access list and TLS, on a port of the kernel's choice."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from tests.peers import need

PATIENCE: Final = 20.0
_HEED: Final = 1.0  # seconds until it has noticed a hangup

GATEWAY: Final = ("gw1", "gateway-secret")
CITY: Final = ("city", "city-secret")

ACL: Final = """\
user gw1
topic write citygate/1/vaasa/library/gw1/#
user city
topic read citygate/1/#
"""


class Mosquitto:
    """One broker process; its log is watched, so that nobody needs to sleep."""

    def __init__(
        self, folder: Path, *, acl: str | None = None, tls: Tls | None = None, more: str = ""
    ) -> None:
        self.users = [GATEWAY, CITY]
        self._program = need("mosquitto")
        self._folder = folder
        self._tls = tls
        self._more = more
        self._acl = folder / "acl"
        self._has_users = acl is not None
        self.port = free_port()
        self._process: subprocess.Popen[str] | None = None
        self._listener = threading.Thread()
        self._lines: list[str] = []
        self._told = threading.Condition()
        if acl is not None:
            self.write_acl(acl)
            self.write_passwords()

    def write_acl(self, text: str) -> None:
        """Put the access list in place; a running broker takes it over at ``reload``."""
        self._acl.write_text(text, "utf-8")
        self._acl.chmod(0o600)

    def start(self) -> None:
        """Start, and return when it serves."""
        config = self._folder / "mosquitto.conf"
        config.write_text(self._config(), "utf-8")
        seen = len(self._lines)
        self._process = subprocess.Popen(
            [self._program, "-c", str(config)], stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True
        )
        self._listener = threading.Thread(target=self._listen, args=(self._process,))
        self._listener.start()
        self.wait_for(" running", seen)

    def kill(self) -> None:
        """End it as a power cut would."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """End it in order; it says goodbye to its clients."""
        self._end(signal.SIGTERM)

    def reload(self) -> None:
        """Make it read password file and access list again."""
        assert self._process is not None
        seen = len(self._lines)
        # it forgets a second hangup that comes while it is busy with the first one
        for _ in range(round(PATIENCE / _HEED)):
            self._process.send_signal(signal.SIGHUP)
            if self._said("Reloading config", seen, _HEED):
                return
        raise AssertionError("mosquitto does not read its files again")

    def pause(self) -> None:
        """Freeze it: the socket stays, nobody answers."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """Let it go on after ``pause``."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def wait_for(self, text: str, since: int = 0) -> None:
        """Wait until its log says *text*."""
        assert self._said(text, since, PATIENCE), f"mosquitto never said {text!r}: {self._lines[since:]}"

    def _said(self, text: str, since: int, patience: float) -> bool:
        with self._told:
            return self._told.wait_for(lambda: any(text in line for line in self._lines[since:]), patience)

    def _listen(self, process: subprocess.Popen[str]) -> None:
        assert process.stderr is not None
        for line in process.stderr:
            with self._told:
                self._lines.append(line.rstrip())
                self._told.notify_all()

    def _end(self, how: signal.Signals) -> None:
        if self._process is None:
            return
        if how is not signal.SIGKILL:  # which also ends what is frozen, without letting it answer once more
            self._process.send_signal(signal.SIGCONT)
        self._process.send_signal(how)
        self._process.wait(PATIENCE)
        self._listener.join(PATIENCE)
        assert self._process.stderr is not None
        self._process.stderr.close()
        self._process = None

    def write_passwords(self) -> None:
        """Put the passwords of ``users`` in place; a running broker takes them over at ``reload``."""
        tool = need("mosquitto_passwd")
        passwords = self._folder / "passwords"
        passwords.touch(0o600)
        for user, password in self.users:
            subprocess.run([tool, "-b", str(passwords), user, password], check=True, capture_output=True)

    def _config(self) -> str:
        lines = [f"listener {self.port} 127.0.0.1", "log_dest stderr", "connection_messages true"]
        if os.geteuid() == 0:
            lines.append("user root")  # it would drop to a user that cannot read our folder
        if self._has_users:
            lines += [f"password_file {self._folder / 'passwords'}", f"acl_file {self._acl}"]
        lines.append(f"allow_anonymous {'false' if self._has_users else 'true'}")
        if self._tls is not None:
            lines += [f"certfile {self._tls.certificate}", f"keyfile {self._tls.key}"]
            if self._tls.client_ca is not None:
                lines += [f"cafile {self._tls.client_ca}", "require_certificate true"]
        return "\n".join([*lines, self._more]) + "\n"


class Tls:
    """What the broker shows: a certificate, and whose clients it wants to see certificates of."""

    def __init__(self, certificate: Path, key: Path, client_ca: Path | None = None) -> None:
        self.certificate = certificate
        self.key = key
        self.client_ca = client_ca


class Authority:
    """A certificate authority of the test's own, made by openssl."""

    def __init__(self, folder: Path, name: str = "test-ca") -> None:
        self._folder = folder
        self._name = name
        self.certificate = folder / f"{name}.pem"
        self._key = folder / f"{name}.key"
        _openssl(
            *(
                "req",
                "-x509",
                "-newkey",
                "ec",
                "-pkeyopt",
                "ec_paramgen_curve:P-256",
                "-nodes",
                "-days",
                "30",
            ),
            *("-subj", f"/CN={name}", "-keyout", str(self._key), "-out", str(self.certificate)),
        )

    def leaf(
        self, name: str, *, host: str = "localhost", days: tuple[str, str] | None = None
    ) -> tuple[Path, Path]:
        """Make a certificate for *host* (also 127.0.0.1); *days*: from and to, as YYMMDD."""
        key, request = self._folder / f"{name}.key", self._folder / f"{name}.csr"
        made, extra = self._folder / f"{name}.pem", self._folder / f"{name}.ext"
        names = f"DNS:{host}" + (",IP:127.0.0.1" if host == "localhost" else "")
        extra.write_text(f"subjectAltName={names}\nextendedKeyUsage=serverAuth,clientAuth\n", "utf-8")
        _openssl(
            *(
                "req",
                "-newkey",
                "ec",
                "-pkeyopt",
                "ec_paramgen_curve:P-256",
                "-nodes",
                "-subj",
                f"/CN={name}",
            ),
            *("-keyout", str(key), "-out", str(request)),
        )
        if days is None:
            _openssl(
                *(
                    "x509",
                    "-req",
                    "-in",
                    str(request),
                    "-CA",
                    str(self.certificate),
                    "-CAkey",
                    str(self._key),
                ),
                *("-CAcreateserial", "-days", "30", "-extfile", str(extra), "-out", str(made)),
            )
        else:
            self._dated(request, made, extra, days)
        return made, key

    def _dated(self, request: Path, made: Path, extra: Path, days: tuple[str, str]) -> None:
        """Sign for a span of one's own, which only ``openssl ca`` can."""
        home = self._folder / f"{made.stem}.ca"
        home.mkdir()
        (home / "index").touch()
        (home / "serial").write_text("01\n", "ascii")
        config = home / "config"
        config.write_text(
            f"[ca]\ndefault_ca=own\n[own]\ndatabase={home / 'index'}\nserial={home / 'serial'}\n"
            f"new_certs_dir={home}\ndefault_md=sha256\npolicy=any\n[any]\ncommonName=supplied\n",
            "utf-8",
        )
        _openssl(
            *("ca", "-batch", "-config", str(config), "-in", str(request), "-out", str(made), "-notext"),
            *("-cert", str(self.certificate), "-keyfile", str(self._key), "-extfile", str(extra)),
            *("-startdate", _moment(days[0]), "-enddate", _moment(days[1])),
        )


def _moment(day: str) -> str:
    """Write a day, or a day with its time, as openssl wants it."""
    return f"{day}Z" if len(day) > 8 else f"{day}000000Z"


def free_port() -> int:
    """Give a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def mosquitto(
    folder: Path, *, acl: str | None = None, tls: Tls | None = None, more: str = ""
) -> Iterator[Mosquitto]:
    """Run a broker for the length of a ``with`` block."""
    broker = Mosquitto(folder, acl=acl, tls=tls, more=more)
    broker.start()
    try:
        yield broker
    finally:
        broker.kill()


def _openssl(*arguments: str) -> None:
    subprocess.run([need("openssl"), *arguments], check=True, capture_output=True)
