"""Files that others hand over: bundles of configurations and of models, certificates, lists of registers."""

from __future__ import annotations

import base64
import io
import math
import tarfile
import tomllib
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import msgspec

from agent.bundle.pack import MAGIC, Manifest, content, opened, read, sealed
from agent.cli.recorded import samples
from agent.cli.register_list import profile_of
from agent.core import certificate
from agent.core.errors import ConfigError, GatewayError
from agent.core.vision import About
from agent.core.vision import Manifest as ModelManifest
from agent.policy.edition import FILE, remembered
from agent.trials import Memory
from pipelines.vision.models import bundle as models
from tests.fuzz.target import Feed, Run, Target, block, pure


def _bundle(data: bytes) -> None:
    """Unpack nothing that is larger than it came, and no file that may not be in it."""
    try:
        raw, signature = opened(data)
        assert MAGIC + f"{len(signature)}\n".encode() + signature + raw == data or not raw.startswith(b"\0")
        found = read(raw)
    except ValueError as error:
        assert str(error)
        return
    assert sum(map(len, found.files.values())) <= len(raw), "it unpacks to more than it is"
    for name in found.files:
        assert not Path(name).is_absolute()
        assert ".." not in Path(name).parts
    again = read(content(found.manifest, found.files))
    assert again == found


def _model(folder: Path) -> Run:
    place = folder / "x.citymodel"

    def run(data: bytes) -> None:
        """Read a model whose hash is right, or say that it is damaged."""
        place.write_bytes(data)
        try:
            found = models.read(place)
        except GatewayError as error:
            assert str(place) in str(error)
            return
        assert models.digest(found.model) == found.manifest.sha256

    return run


def _memory(folder: Path) -> Run:
    """Say of damaged memories that they cannot be read."""
    memory = Memory(folder)
    memory.folder.mkdir()

    def run(data: bytes) -> None:
        feed = Feed(data)
        name = feed.choose((FILE, "number.json", "trial.json", "verdict.json"))
        place = (folder if name == FILE else memory.folder) / name
        place.write_bytes(feed.rest())
        asked: Callable[[], object] = {
            FILE: lambda: remembered(folder),
            "number.json": memory.known,
            "trial.json": memory.trial,
            "verdict.json": memory.verdict,
        }[name]
        try:
            asked()
        except ConfigError as error:
            assert "cannot be read" in str(error)
        place.unlink()

    return run


def _registers(folder: Path) -> Run:
    place = folder / "list.csv"

    def run(data: bytes) -> None:
        """Write a profile that is TOML and has each point once, or say what is missing."""
        place.write_bytes(data)
        try:
            text = profile_of(place, vendor="Acme", model='"M\\')
        except ConfigError as error:
            assert str(place) in str(error)
            return
        tables = tomllib.loads(text)
        assert tables["point"]
        assert all(math.isfinite(one.get("scale", 1.0)) for one in tables["point"].values())

    return run


def _certificate(folder: Path) -> Run:
    place = folder / "c.pem"

    def run(data: bytes) -> None:
        place.write_bytes(data)
        found = certificate.validity(place)
        assert found is None or all(map(math.isfinite, found))

    return run


def _recorded(data: bytes) -> None:
    """Read samples that are finite and in order of years, or name the line."""
    lines = io.TextIOWrapper(io.BytesIO(data), "utf-8")
    try:
        for one in samples(lines, "x.jsonl"):
            assert one.value is None or math.isfinite(one.value)
            assert 0 <= one.at <= 253402300799
    except ConfigError as error:
        assert str(error).startswith("x.jsonl:")


def _bundle_seeds() -> Sequence[bytes]:
    manifest = Manifest(city="vaasa", site="library", gateway="gw1", number=3)
    files = {"config/site.toml": b"[site]\n", "config/site.d/a.toml": b"", "models/n.citymodel": b"PK"}
    raw = content(manifest, files)
    pax = io.BytesIO()
    with tarfile.open(fileobj=pax, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for name, data in [("bundle.json", msgspec.json.encode(manifest)), ("config/site.toml", b"x")]:
            info = tarfile.TarInfo(name)
            info.size, info.pax_headers = len(data), {"comment": "é", "mtime": "1.5"}
            tar.addfile(info, io.BytesIO(data))
    gnu = io.BytesIO()
    with tarfile.open(fileobj=gnu, mode="w", format=tarfile.GNU_FORMAT) as tar:
        info = tarfile.TarInfo("config/" + "a" * 120 + ".toml")
        info.size = 1
        tar.addfile(info, io.BytesIO(b"x"))
    return [
        sealed(one, b"signature") for one in (raw, raw[:1536], pax.getvalue()[:4096], gnu.getvalue()[:3072])
    ]


def _model_seeds() -> Sequence[bytes]:
    found = []
    for reference in (b"model", b"other"):
        out = io.BytesIO()
        manifest = ModelManifest(
            name="n",
            about=About(family="nanodet", label="N", classes=("person",), licence="x"),
            source="s",
            size=(320, 320),
            int8=False,
            sha256=models.digest(b"model"),
            reference_sha256=models.digest(reference),
        )
        with zipfile.ZipFile(out, "w") as archive:
            archive.writestr("manifest.json", msgspec.json.encode(manifest))
            archive.writestr("model.onnx", b"model")
            archive.writestr("reference.onnx", reference, zipfile.ZIP_DEFLATED)
        found.append(out.getvalue())
    return found


def _memory_seeds() -> Sequence[bytes]:
    known = b'{"number":3,"digest":"ab","signer":"dpo@vaasa.example"}'
    trial = b'{"bundle":' + known + b',"patience":300.0,"stage":"writing","well":["device a"],"added":[]}'
    verdict = b'{"number":3,"signer":"x","kept":true,"why":"","at":1700000000.5}'
    edition = b'{"city":"vaasa","number":3,"digest":"ab","signer":"dpo@vaasa.example"}\n'
    return [b"\0" + edition, b"\1" + known, b"\2" + trial, b"\3" + verdict]


def _lists() -> Sequence[bytes]:
    one = (
        b"Address;Description;Data type;Unit;Scale;R/W\r\n0x0000;Phase 1 voltage;float;V;1;R\r\n"
        b"30007;Total energy;uint32;0.1 kWh;/10;R\r\n40010;Set point;int16;Cel;10^-1;W\r\n"
        b"12h;Power, total;S32;W;1/100;RO\r\n"
    )
    two = (
        b"Register,Parameter,Format,Function,Faktor\n1,Strom L1,u16,3,0.01\n"
        b"2,Status,bool,discrete input,\n3,,u16,4,\n"
    )
    return [
        one,
        two,
        one.replace(b";", b"\t"),
        "Adresse|Bezeichnung|Einheit\n7|Wärme|kWh\n7|Wärme|m³\n".encode("latin-1"),
    ]


def _der(tag: int, *inner: bytes) -> bytes:
    body = b"".join(inner)
    return bytes((tag, 0x82)) + block(body)


def _certificate_seeds() -> Sequence[bytes]:
    spans = [
        _der(0x17, b"250101000000Z") + _der(0x17, b"350101000000Z"),
        _der(0x18, b"20500101000000Z") + _der(0x17, b"500101000000Z"),
    ]
    made = []
    for span in spans:
        body = (
            _der(0xA0, b"\2\1\2")
            + _der(2, b"\1")
            + _der(0x30, b"\6\3\x2b\x65\x70")
            + _der(0x30)
            + _der(0x30, span)
        )
        pem = base64.encodebytes(_der(0x30, _der(0x30, body)))
        made.append(b"-----BEGIN CERTIFICATE-----\n" + pem + b"-----END CERTIFICATE-----\n")
    return [*made, b"".join(made)]


TARGETS: Final = (
    Target(
        name="bundle",
        about="signed bundles of a configuration",
        prepare=pure(_bundle),
        seeds=_bundle_seeds,
        everyday=300,
        longest=20_000,
        words=(
            b"config/",
            b"../",
            b"/etc/passwd",
            b"ustar\x0000",
            b"0000644",
            b"0",
            b"1",
            b"2",
            b"S",
            b"x",
            b"L",
            b"g",
            b"17 size=99999\n",
            b"\x80\0\0\0\xff",
        ),
    ),
    Target(
        name="model-bundle",
        about="camera models in one file",
        prepare=_model,
        seeds=_model_seeds,
        everyday=100,
        words=(
            b"PK\1\2",
            b"PK\3\4",
            b"PK\5\6",
            b"PK\6\6",
            b"PK\6\7",
            b"\x63\0",
            b"\x0c\0",
            b"\x08\0",
            b"\1\0",
            b"manifest.json",
        ),
    ),
    Target(
        name="memories",
        about="what is remembered of policies and bundles",
        prepare=_memory,
        seeds=_memory_seeds,
        everyday=300,
        words=(b"[", b"{", b"null", b"1e999"),
    ),
    Target(
        name="registers",
        about="a vendor's list of registers",
        prepare=_registers,
        seeds=_lists,
        everyday=50,
        longest=12_000,
        words=(
            b";",
            b"\n",
            b'"',
            b"Address;Name\n",
            b"1/",
            b"/0",
            b"10^99",
            b"1/x",
            b"0x",
            b"h",
            b"\xb2",
            "٣".encode(),
        ),
    ),
    Target(
        name="certificates",
        about="certificates in PEM",
        prepare=_certificate,
        seeds=_certificate_seeds,
        everyday=150,
        words=(b"-----BEGIN CERTIFICATE-----", b"-----END CERTIFICATE-----", b"MIIB", b"////", b"AAAA"),
    ),
    Target(
        name="samples",
        about="recorded samples",
        prepare=pure(_recorded),
        seeds=lambda: [
            b'{"at": "2026-11-21T20:00:00Z", "point": "hall.co2", "value": 612.0}\n'
            b'{"at": 5, "point": "x", "value": null, "why": "no_reply"}\n',
            b'{"at": 1e3, "point": "a", "value": -1, "quality": "uncertain"}\n\n',
        ],
        words=(
            b"1e999",
            b"NaN",
            b"Infinity",
            b"[",
            b"{",
            b'"quality":',
            b"\n",
            b"-00:00:00.5",
            b"+24:00",
            b"0001-01-01",
        ),
        everyday=500,
    ),
)
