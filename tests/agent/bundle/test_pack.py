"""A bundle holds what it may hold, the same files make the same bytes, and damage is found."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.bundle import pack
from agent.bundle.pack import Manifest, content, gathered, opened, read, sealed

HEAD = Manifest(city="vaasa", site="library", gateway="gw1", number=4)
FILES = {"config/site.toml": b"[site]\n", "models/x.citymodel": b"model"}


def test_what_was_packed_comes_out() -> None:
    raw = content(HEAD, FILES)
    assert opened(sealed(raw, b"signature")) == (raw, b"signature")
    assert read(raw) == pack.Bundle(HEAD, FILES)


def test_the_same_files_make_the_same_bytes() -> None:
    turned = dict(reversed(list(FILES.items())))
    assert content(HEAD, FILES) == content(HEAD, turned)


def test_a_folder_gives_its_configuration_and_neither_keys_nor_secrets(tmp_path: Path) -> None:
    names = (
        "site.toml", "sharing.toml", "sharing.toml.sig", "site.d/10-local.toml", "profiles/abb/b23.toml",
        "models/own.toml", "allowed_signers", "bundle_signers", "credentials/city", "notes.txt",
        ".bundle/before/site.toml", "credentials/x.toml",
    )  # fmt: skip
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    model = tmp_path / "nanodet.citymodel"
    model.write_bytes(b"m")
    found = gathered(tmp_path, [model])
    assert set(found) == {*(f"config/{name}" for name in names[:6]), "models/nanodet.citymodel"}


@pytest.mark.parametrize(
    "name",
    [
        "config/../etc/passwd", "/etc/passwd", "config/allowed_signers", "config/bundle_signers",
        "config/credentials/city", "config/.bundle/number.json", "models/../x.citymodel", "models/x.onnx",
        "config/site.d/../../x.toml", "config/.site.toml.new", "x.toml",
    ],
)  # fmt: skip
def test_what_may_not_be_in_it_is_refused_on_both_sides(name: str) -> None:
    with pytest.raises(ValueError, match="a bundle may not hold"):
        content(HEAD, {name: b""})
    with pytest.raises(ValueError, match="a bundle may not hold"):
        read(packed_by_hand(name, tarfile.REGTYPE))


def packed_by_hand(name: str, kind: bytes, times: int = 1) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        head = tarfile.TarInfo("bundle.json")
        head.size = len(data := msgspec.json.encode(HEAD))
        tar.addfile(head, io.BytesIO(data))
        for _ in range(times):
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, "/etc/shadow"
            tar.addfile(info)
    return out.getvalue()


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.DIRTYPE, tarfile.CHRTYPE])
def test_only_plain_files_are_taken(kind: bytes) -> None:
    with pytest.raises(ValueError, match="is no plain file"):
        read(packed_by_hand("config/site.toml", kind))


def test_a_file_that_is_there_twice_is_refused() -> None:
    with pytest.raises(ValueError, match="there twice"):
        read(packed_by_hand("config/site.toml", tarfile.REGTYPE, 2))


@given(st.binary(max_size=600))
def test_any_bytes_are_a_bundle_or_a_sentence(data: bytes) -> None:
    for given_bytes in (data, pack.MAGIC + data):
        with pytest.raises(ValueError, match="bundle"):
            read(opened(given_bytes)[0])


def test_what_is_cut_off_is_noticed() -> None:
    whole = sealed(content(HEAD, FILES), b"signature")
    for size in range(60):
        with pytest.raises(ValueError, match="bundle"):
            read(opened(whole[:size])[0])


def test_a_file_that_claims_to_be_more_than_the_bundle_is_not_unpacked() -> None:
    info = tarfile.TarInfo("config/site.toml")
    info.type, info.size = tarfile.GNUTYPE_SPARSE, 512
    head = bytearray(info.tobuf(tarfile.GNU_FORMAT))
    head[386:410] = b"%011o\0%011o\0" % (0, 512)  # one piece of 512 bytes ...
    head[482:495] = b"\0%011o\0" % (1 << 32)  # ... of a file of 4 GB
    head[148:156] = b" " * 8
    head[148:156] = b"%06o\0 " % sum(head[:512])
    with pytest.raises(ValueError, match="no plain file"):
        read(bytes(head) + bytes(512) + bytes(1024))


def test_a_bundle_of_very_many_files_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    raw = content(HEAD, {f"config/site.d/{number}.toml": b"" for number in range(20)})
    assert len(read(raw).files) == 20
    monkeypatch.setattr(pack, "_MEMBERS", 10)
    with pytest.raises(ValueError, match="holds too many files"):
        read(raw)


@pytest.mark.parametrize("head", [b"", b"{}", b"[1]"])
def test_a_bundle_that_does_not_say_what_it_is_for_is_refused(head: bytes) -> None:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as tar:
        info = tarfile.TarInfo(pack._HEAD)
        info.size = len(head)
        tar.addfile(info, io.BytesIO(head))
    with pytest.raises(ValueError, match=r"cannot be unpacked|cut off"):
        read(out.getvalue())
