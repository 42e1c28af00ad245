"""The life of a certificate is read as openssl reads it."""

from __future__ import annotations

import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest

from agent.core.certificate import validity
from tests.peers import need


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


def test_of_a_chain_the_one_that_ends_first_counts(tmp_path: Path) -> None:
    short, long = made(tmp_path / "a.pem", 10, "ec"), made(tmp_path / "b.pem", 100, "ec")
    chain = tmp_path / "chain.pem"
    chain.write_text(long.read_text() + short.read_text())
    assert validity(chain) == validity(short)


def test_what_is_no_certificate_has_no_life(tmp_path: Path) -> None:
    path = tmp_path / "x.pem"
    for text in ("", "hello", "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n"):
        path.write_text(text)
        assert validity(path) is None
