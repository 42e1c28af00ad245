"""A gateway's key is made where it stays; a certificate is taken only if it is for that key and lives."""

from __future__ import annotations

import json
import re
import ssl
import subprocess
import time
from pathlib import Path

import pytest

from agent.cli.main import main
from agent.core.secrets import secret_file
from tests.peers import need
from tests.peers.mosquitto import Authority

SITE = """
[site]
city = "vaasa"
id = "library"
gateway = "gw1"
timezone = "Europe/Helsinki"
"""


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    need("openssl")
    folder = tmp_path / "site"
    folder.mkdir()
    (folder / "site.toml").write_text(SITE, "utf-8")
    monkeypatch.setenv("CONFIGURATION_DIRECTORY", str(folder))
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    return folder


def request(site: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    assert main(["identity", "request", "--plain", "--config", str(site)]) == 0
    file = site.parent / "gw1.csr"
    file.write_text(capsys.readouterr().out, "utf-8")
    return file


def signed(authority: Authority, csr: Path, days: int = 30) -> Path:
    """Do what the city's authority does with a request."""
    made = csr.with_suffix(".pem")
    words = ["openssl", "x509", "-req", "-in", str(csr), "-CA", str(authority.certificate), "-CAcreateserial"]
    words += ["-CAkey", str(authority._key), "-days", str(days), "-copy_extensions", "copyall"]
    subprocess.run([*words, "-out", str(made)], check=True, capture_output=True)
    return made


def test_a_request_names_the_gateway_and_holds_no_private_key(
    site: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    csr = request(site, capsys)
    said = subprocess.run(
        ["openssl", "req", "-in", str(csr), "-noout", "-verify", "-subject", "-text"],
        capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    assert "CN = vaasa/library/gw1" in said
    assert "TLS Web Client Authentication" in said
    assert "PRIVATE" not in csr.read_text("utf-8")


def test_the_certificate_that_comes_back_and_the_key_make_a_client(
    site: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    authority = Authority(tmp_path)
    made = signed(authority, request(site, capsys))
    words = ["identity", "accept", str(made), "--ca", str(authority.certificate), "--config", str(site)]
    assert main(words) == 0
    told = capsys.readouterr().out
    [certificate] = re.findall(r'certificate = "(.*)"', told)
    [key] = re.findall(r'key = "(.*)"', told)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_cert_chain(certificate, secret_file(key))


def test_a_certificate_for_another_key_leaves_the_identity_as_it_is(
    site: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    authority = Authority(tmp_path)
    made = signed(authority, request(site, capsys))
    main(["identity", "accept", str(made), "--config", str(site)])
    before = (site / "gateway.pem").read_bytes()
    foreign, _ = authority.leaf("foreign")
    capsys.readouterr()
    assert main(["identity", "accept", str(foreign), "--config", str(site)]) == 2
    assert "is not for the key of this gateway" in capsys.readouterr().err
    assert (site / "gateway.pem").read_bytes() == before


def test_the_old_identity_stays_in_use_until_the_new_certificate_is_there(
    site: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    authority = Authority(tmp_path)
    main(["identity", "accept", str(signed(authority, request(site, capsys))), "--config", str(site)])
    key = secret_file("credential:gateway-key")
    before = key.read_bytes()
    renewed = signed(authority, request(site, capsys))
    assert key.read_bytes() == before
    assert main(["identity", "accept", str(renewed), "--config", str(site)]) == 0
    assert key.read_bytes() != before
    assert sorted(one.name for one in key.parent.iterdir()) == ["gateway-key"]


def test_an_authority_that_does_not_stand_behind_it_is_told(
    site: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    made = signed(Authority(tmp_path), request(site, capsys))
    other = Authority(tmp_path, "other-ca")
    words = ["identity", "accept", str(made), "--ca", str(other.certificate), "--config", str(site)]
    assert main(words) == 2
    assert "does not stand behind this certificate" in capsys.readouterr().err
    assert not (site / "gateway.pem").exists()


def test_it_tells_how_long_it_lives_and_when_to_renew(
    site: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = signed(Authority(tmp_path), request(site, capsys))
    main(["identity", "accept", str(made), "--config", str(site)])
    now = time.time()
    for passed, status, left in ((0, 0, 30), (21, 1, 9)):
        capsys.readouterr()
        monkeypatch.setattr(time, "time", lambda at=now + passed * 86400: at)
        assert main(["identity", "show", "--json", "--config", str(site)]) == status
        told = json.loads(capsys.readouterr().out)
        assert told["subject"] == "CN=vaasa/library/gw1"
        assert left - 1 < told["days"] <= left
        assert told["renew"] is bool(status)


def test_a_certificate_that_has_ended_is_refused(
    site: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = signed(Authority(tmp_path), request(site, capsys))
    later = time.time() + 31 * 86400
    monkeypatch.setattr(time, "time", lambda: later)
    assert main(["identity", "accept", str(made), "--config", str(site)]) == 2
    assert "ended on" in capsys.readouterr().err


def test_text_that_is_no_certificate_is_refused(site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = request(site, capsys)
    assert main(["identity", "accept", str(file), "--config", str(site)]) == 2
    assert "no certificate in PEM form" in capsys.readouterr().err


def program(folder: Path, authority: Authority, more: str = "") -> Path:
    """Write what has a request signed, as a city would: request in, certificate out."""
    file = folder / "renew"
    file.write_text(
        f"#!/bin/sh\n{more}\nexec openssl x509 -req -CA {authority.certificate} -CAkey {authority._key}"
        " -CAcreateserial -days 30 -copy_extensions copyall\n",
        "utf-8",
    )
    file.chmod(0o755)
    return file


def test_a_certificate_that_ages_is_renewed_by_a_program_and_brought_into_force(
    site: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority = Authority(tmp_path)
    main(["identity", "accept", str(signed(authority, request(site, capsys))), "--config", str(site)])
    before = (site / "gateway.pem").read_bytes(), secret_file("credential:gateway-key").read_bytes()
    brought = tmp_path / "brought"
    words = ["identity", "renew", "--by", str(program(tmp_path, authority)), "--config", str(site)]
    words += ["--ca", str(authority.certificate), "--reload", f"touch {brought}"]
    assert main(words) == 0
    assert "it is not time yet" in capsys.readouterr().out
    assert not brought.exists()
    later = time.time() + 21 * 86400
    monkeypatch.setattr(time, "time", lambda: later)
    assert main(words) == 0
    assert "CN=vaasa/library/gw1 is renewed until" in capsys.readouterr().out
    after = (site / "gateway.pem").read_bytes(), secret_file("credential:gateway-key").read_bytes()
    assert before[0] != after[0]
    assert before[1] != after[1]
    assert brought.exists()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_cert_chain(site / "gateway.pem", secret_file("credential:gateway-key"))


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ("echo the authority is away >&2; exit 3", "the authority is away"),
        ("exit 3", "status 3"),
        ("echo nothing; exit 0", "no certificate in PEM form"),
    ],
)
def test_a_renewal_that_fails_leaves_the_identity_as_it_is(
    site: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path, more: str, said: str
) -> None:
    authority = Authority(tmp_path)
    main(["identity", "accept", str(signed(authority, request(site, capsys))), "--config", str(site)])
    before = (site / "gateway.pem").read_bytes(), secret_file("credential:gateway-key").read_bytes()
    words = ["identity", "renew", "--now", "--by", str(program(tmp_path, authority, more))]
    assert main([*words, "--config", str(site), "--reload", "false"]) in (1, 2)
    assert said in capsys.readouterr().err
    assert before == ((site / "gateway.pem").read_bytes(), secret_file("credential:gateway-key").read_bytes())


def test_a_person_reads_until_when_it_lives_and_what_to_do_then(
    site: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert main(["identity", "show", "--config", str(site)]) == 1
    assert capsys.readouterr().err == "there is no identity gateway yet: `sudo citygate identity request`\n"
    main(
        ["identity", "accept", str(signed(Authority(tmp_path), request(site, capsys))), "--config", str(site)]
    )
    capsys.readouterr()
    assert main(["identity", "show", "--config", str(site)]) == 0
    told = capsys.readouterr().out
    assert told.startswith("CN=vaasa/library/gw1, by CN=")
    assert told.endswith(": 30 days left\n")
    later = time.time() + 21 * 86400
    monkeypatch.setattr(time, "time", lambda: later)
    assert main(["identity", "show", "--config", str(site)]) == 1
    assert "`sudo citygate identity request` begins a renewal" in capsys.readouterr().out


def test_the_present_certificate_can_be_taken_again(
    site: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    made = signed(Authority(tmp_path), request(site, capsys))
    for _ in range(2):
        assert main(["identity", "accept", str(made), "--config", str(site)]) == 0
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_cert_chain(site / "gateway.pem", secret_file("credential:gateway-key"))


def test_a_program_that_is_not_there_or_a_gateway_that_is_not_reached_is_said(
    site: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    authority = Authority(tmp_path)
    main(["identity", "accept", str(signed(authority, request(site, capsys))), "--config", str(site)])
    capsys.readouterr()
    words = ["identity", "renew", "--now", "--config", str(site), "--by"]
    assert main([*words, str(tmp_path / "gone")]) == 1
    assert "gone made no certificate: " in (said := capsys.readouterr().err)
    assert said.endswith("; the old one stays in use\n")
    renew = str(program(tmp_path, authority))
    for command, why in (
        ("sh -c 'echo no such unit >&2; exit 5'", "failed: no such unit"),
        ("false", "failed: 1"),
        (str(tmp_path / "gone"), "failed: [Errno 2]"),
    ):
        assert main([*words, renew, "--reload", command]) == 1
        assert f"`{command}` {why}" in capsys.readouterr().err


def test_without_openssl_it_is_said_what_to_install(
    site: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    assert main(["identity", "request", "--plain", "--config", str(site)]) == 1
    assert capsys.readouterr().err == "the program openssl is missing: sudo apt install openssl\n"
