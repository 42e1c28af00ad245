"""The life of a certificate is read as openssl reads it."""

from __future__ import annotations

import subprocess
from base64 import b64encode
from datetime import UTC, datetime
from pathlib import Path

import pytest

from agent.core.certificate import validity
from tests.peers import need

_BEGIN, _END = "-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----"


def made(path: Path, days: int, kind: str) -> Path:
    """Let openssl make one."""
    key = (
        ["-newkey", "rsa:2048"] if kind == "rsa" else ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
    )
    words = ["req", "-x509", "-nodes", *key, "-keyout", str(path.with_suffix(".key")), "-out", str(path)]
    words += ["-days", str(days), "-subj", "/CN=broker.vaasa.example"]
    subprocess.run([need("openssl"), *words], check=True, capture_output=True)
    return path


def end_by_openssl(path: Path) -> float:
    words = [need("openssl"), "x509", "-in", str(path), "-noout", "-enddate"]
    said = subprocess.run(words, check=True, stdout=subprocess.PIPE, text=True).stdout
    text = said.strip().removeprefix("notAfter=").removesuffix(" GMT")
    return datetime.strptime(text, "%b %d %H:%M:%S %Y").replace(tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    ("days", "kind"), [(30, "ec"), (365, "rsa"), (20_000, "ec")]
)  # the last: beyond 2050
def test_the_end_is_the_one_that_openssl_reads(tmp_path: Path, days: int, kind: str) -> None:
    path = made(tmp_path / "c.pem", days, kind)
    span = validity(path)
    assert span is not None
    assert span[1] == end_by_openssl(path)
    assert span[1] - span[0] == days * 86400


def test_a_certificate_of_the_first_version_has_a_life_too(tmp_path: Path) -> None:
    made(tmp_path / "c.pem", 30, "ec")
    asked = [
        need("openssl"),
        "x509",
        "-x509toreq",
        "-in",
        str(tmp_path / "c.pem"),
        "-out",
        str(tmp_path / "r"),
    ]
    first = [need("openssl"), "x509", "-req", "-in", str(tmp_path / "r"), "-days", "20"]
    key = ["-signkey", str(tmp_path / "c.key")]
    subprocess.run([*asked, *key], check=True, capture_output=True)
    subprocess.run([*first, *key, "-out", str(tmp_path / "v1.pem")], check=True, capture_output=True)
    span = validity(tmp_path / "v1.pem")
    assert span is not None
    assert (span[1], span[1] - span[0]) == (end_by_openssl(tmp_path / "v1.pem"), 20 * 86400)


def test_of_a_chain_the_one_that_ends_first_counts(tmp_path: Path) -> None:
    short, long = made(tmp_path / "a.pem", 10, "ec"), made(tmp_path / "b.pem", 100, "ec")
    chain = tmp_path / "chain.pem"
    chain.write_text(long.read_text() + short.read_text())
    assert validity(chain) == validity(short)


def test_what_is_no_certificate_has_no_life(tmp_path: Path) -> None:
    path = tmp_path / "x.pem"
    # three numbers, an empty sequence and, where the life should be, yet another number
    other = b64encode(bytes.fromhex("300f300d" + "020101" * 3 + "020101" + "05")).decode()
    for text in ("", "hello", *(f"{_BEGIN}\n{one}\n{_END}\n" for one in ("MAA=", "MA", other))):
        path.write_text(text)
        assert validity(path) is None
