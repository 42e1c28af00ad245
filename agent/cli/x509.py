"""Keys, requests and certificates, by the program openssl: what is private crosses pipes, and no disk."""

from __future__ import annotations

import shutil
import ssl
import subprocess
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from msgspec import Struct

from agent.core.errors import ConfigError, GatewayError


class Certificate(Struct, frozen=True, kw_only=True):
    """What a certificate says; times are UTC seconds, ``public`` is its key as PEM."""

    subject: str
    issuer: str
    since: float
    until: float
    public: str


def new_key() -> bytes:
    """Make a key on the curve P-256, which every broker and authority takes."""
    return _run("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256")


def request(key: bytes, name: str) -> str:
    """Write a request for a certificate of *name*, signed with *key*."""
    # the words of a subject are parted by "/": one in the name must not begin another
    subject = "/CN=" + name.replace("\\", "\\\\").replace("/", "\\/")
    words = ("-new", "-key", "/dev/stdin", "-utf8", "-subj", subject)
    return _run("req", *words, "-addext", "extendedKeyUsage=clientAuth", given=key).decode()


def public_of(key: bytes) -> str:
    """Give the public half of *key* as PEM."""
    return _run("pkey", "-pubout", given=key).decode()


def read(text: str, where: str) -> Certificate:
    """Read the first certificate of *text*; raise ConfigError when there is none."""
    try:
        said = _run("x509", "-noout", "-subject", "-issuer", "-dates", "-pubkey", "-nameopt", "RFC2253",
                    given=text.encode()).decode()  # fmt: skip
    except GatewayError:
        raise ConfigError(f"{where}: this is no certificate in PEM form") from None
    words = dict(line.split("=", 1) for line in said.splitlines() if "=" in line and line[0].islower())
    return Certificate(
        subject=words["subject"],
        issuer=words["issuer"],
        since=ssl.cert_time_to_seconds(words["notBefore"]),
        until=ssl.cert_time_to_seconds(words["notAfter"]),
        public=said[said.index("-----BEGIN PUBLIC KEY-----") :].partition("subject=")[0].strip() + "\n",
    )


def must_verify(text: str, authority: Path) -> None:
    """Raise ConfigError unless *authority* stands behind the certificate, by way of those that follow it."""
    with tempfile.TemporaryDirectory() as room:
        chain = Path(room, "chain.pem")
        chain.write_text(text, "utf-8")
        words = ("-purpose", "sslclient", "-CAfile", str(authority), "-untrusted", str(chain), str(chain))
        try:
            _run("verify", *words)
        except GatewayError as error:
            raise ConfigError(f"{authority} does not stand behind this certificate: {error}") from None


def day(seconds: float) -> str:
    """Give the day of a time."""
    return datetime.fromtimestamp(seconds, UTC).date().isoformat()


def _run(*words: str, given: bytes = b"") -> bytes:
    program = shutil.which("openssl")
    if program is None:
        raise GatewayError("the program openssl is missing: sudo apt install openssl")
    done = subprocess.run([program, *words], input=given, capture_output=True, check=False)  # noqa: S603
    if done.returncode:
        raise GatewayError(f"openssl {words[0]} failed: {done.stderr.decode('utf-8', 'replace').strip()}")
    return done.stdout
