"""Signs the head of the ledger with Ed25519, by the OpenSSL that Python's own ``ssl`` is linked to.

No dependency and no other program: the library is in the process anyway as soon as one broker is encrypted.
The key is made once, stays in the state folder, and signs nothing else.
"""

from __future__ import annotations

import base64
import ctypes
import os
import secrets
from functools import cache
from pathlib import Path
from typing import Final

from agent.core.errors import OutboxError

KEY: Final = "ledger.key"
PUBLIC: Final = "ledger.pub"
_ED25519: Final = 1087  # NID_ED25519 of OpenSSL, the same since 1.1.1
_SEED: Final = 32
_SIGNATURE: Final = 64
_SPKI: Final = bytes.fromhex("302a300506032b6570032100")  # RFC 8410: what stands before the key in a PEM file


class Key:
    """A private key: ``public`` are the 32 bytes that others verify with."""

    def __init__(self, seed: bytes) -> None:
        lib = _library()
        if len(seed) != _SEED:  # the library takes our word for it, and would read beyond the end
            raise ValueError("64 hexadecimal digits are expected")
        self._key = lib.EVP_PKEY_new_raw_private_key(_ED25519, None, seed, _SEED)
        if not self._key:
            raise OutboxError("OpenSSL makes no key of Ed25519")
        found, size = ctypes.create_string_buffer(_SEED), ctypes.c_size_t(_SEED)
        lib.EVP_PKEY_get_raw_public_key(self._key, found, ctypes.byref(size))
        self.public = found.raw

    def sign(self, line: bytes) -> bytes:
        """Sign *line*; raise OutboxError if the library refuses."""
        lib = _library()
        made, size = ctypes.create_string_buffer(_SIGNATURE), ctypes.c_size_t(_SIGNATURE)
        context = lib.EVP_MD_CTX_new()
        try:
            begun = lib.EVP_DigestSignInit(context, None, None, None, self._key)
            if begun != 1 or lib.EVP_DigestSign(context, made, ctypes.byref(size), line, len(line)) != 1:
                raise OutboxError("OpenSSL does not sign the head of the ledger")
        finally:
            lib.EVP_MD_CTX_free(context)
        return made.raw


def verifies(public: bytes, line: bytes, signature: bytes) -> bool:
    """Say whether *signature* over *line* was made by the private half of *public*."""
    if len(public) != _SEED or len(signature) != _SIGNATURE:
        return False
    lib = _library()
    key = lib.EVP_PKEY_new_raw_public_key(_ED25519, None, public, _SEED)
    context = lib.EVP_MD_CTX_new()
    try:
        if not key or lib.EVP_DigestVerifyInit(context, None, None, None, key) != 1:
            return False
        return bool(lib.EVP_DigestVerify(context, signature, _SIGNATURE, line, len(line)) == 1)
    finally:
        lib.EVP_MD_CTX_free(context)
        lib.EVP_PKEY_free(key)


def own_key(folder: Path) -> Key:
    """Give the key in *folder*, making it at the first time; raise OutboxError if it cannot be had."""
    place = folder / KEY
    try:
        if not place.exists():
            _make(place)
        key = Key(bytes.fromhex(place.read_text("ascii").strip()))
        public = folder / PUBLIC
        if not public.exists() or read_public(public.read_text("ascii")) != key.public:
            public.write_text(pem(key.public), "ascii")
    except (OSError, ValueError) as error:
        raise OutboxError(f"the ledger's key {place} cannot be used: {error}") from error
    return key


def pem(public: bytes) -> str:
    """Write a public key so that any tool takes it: ``openssl pkeyutl -verify -pubin``."""
    return (
        f"-----BEGIN PUBLIC KEY-----\n{base64.b64encode(_SPKI + public).decode()}\n-----END PUBLIC KEY-----\n"
    )


def read_public(text: str) -> bytes:
    """Read a public key from PEM, or from the Base64 of its bytes; raise ValueError."""
    lines = [one.strip() for one in text.splitlines() if one.strip() and not one.startswith("-----")]
    found = base64.b64decode("".join(lines), validate=True).removeprefix(_SPKI)
    if len(found) != _SEED:
        raise ValueError("this is no public key of Ed25519")
    return found


def _make(place: Path) -> None:
    """Write a new key so that a power cut leaves a whole one or none."""
    beside = place.with_name(f"{KEY}.new")
    beside.unlink(missing_ok=True)
    handle = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w", encoding="ascii") as file:
        file.write(secrets.token_hex(_SEED) + "\n")
        file.flush()
        os.fsync(file.fileno())
    beside.replace(place)


@cache
def _library() -> ctypes.CDLL:
    try:
        import _ssl

        lib = ctypes.CDLL(_ssl.__file__)  # its symbols are looked up in what it is linked to, too
        pointer, size, text = ctypes.c_void_p, ctypes.c_size_t, ctypes.c_char_p
        for name, result, words in (
            ("EVP_PKEY_new_raw_private_key", pointer, (ctypes.c_int, pointer, text, size)),
            ("EVP_PKEY_new_raw_public_key", pointer, (ctypes.c_int, pointer, text, size)),
            ("EVP_PKEY_get_raw_public_key", ctypes.c_int, (pointer, text, pointer)),
            ("EVP_PKEY_free", None, (pointer,)),
            ("EVP_MD_CTX_new", pointer, ()),
            ("EVP_MD_CTX_free", None, (pointer,)),
            ("EVP_DigestSignInit", ctypes.c_int, (pointer,) * 5),
            ("EVP_DigestSign", ctypes.c_int, (pointer, text, pointer, text, size)),
            ("EVP_DigestVerifyInit", ctypes.c_int, (pointer,) * 5),
            ("EVP_DigestVerify", ctypes.c_int, (pointer, text, size, text, size)),
        ):
            function = getattr(lib, name)
            function.restype, function.argtypes = result, words
    except (ImportError, OSError, AttributeError) as error:
        raise OutboxError(
            f"the head of the ledger cannot be signed: this Python's ssl offers no OpenSSL ({error})"
        ) from error
    return lib
