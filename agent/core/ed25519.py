"""Ed25519 by the OpenSSL that Python's own ``ssl`` is linked to: no dependency and no other program.

The library is in the process anyway as soon as one broker is encrypted. It refuses keys and signatures of any
other length, since the library takes our word for them.
"""

from __future__ import annotations

import ctypes
from functools import cache
from typing import Final

from agent.core.errors import OutboxError

SEED: Final = 32
SIGNATURE: Final = 64
_ED25519: Final = 1087  # NID_ED25519 of OpenSSL, the same since 1.1.1


class Key:
    """A private key: ``public`` are the 32 bytes that others verify with."""

    def __init__(self, seed: bytes) -> None:
        lib = _library()
        if len(seed) != SEED:  # the library takes our word for it, and would read beyond the end
            raise ValueError("64 hexadecimal digits are expected")
        self._key = lib.EVP_PKEY_new_raw_private_key(_ED25519, None, seed, SEED)
        if not self._key:
            raise OutboxError("OpenSSL makes no key of Ed25519")
        found, size = ctypes.create_string_buffer(SEED), ctypes.c_size_t(SEED)
        lib.EVP_PKEY_get_raw_public_key(self._key, found, ctypes.byref(size))
        self.public = found.raw

    def sign(self, line: bytes) -> bytes:
        """Sign *line*; raise OutboxError if the library refuses."""
        lib = _library()
        made, size = ctypes.create_string_buffer(SIGNATURE), ctypes.c_size_t(SIGNATURE)
        context = lib.EVP_MD_CTX_new()
        try:
            begun = lib.EVP_DigestSignInit(context, None, None, None, self._key)
            if begun != 1 or lib.EVP_DigestSign(context, made, ctypes.byref(size), line, len(line)) != 1:
                raise OutboxError("OpenSSL does not sign")
        finally:
            lib.EVP_MD_CTX_free(context)
        return made.raw


def verifies(public: bytes, line: bytes, signature: bytes) -> bool:
    """Say whether *signature* over *line* was made by the private half of *public*."""
    if len(public) != SEED or len(signature) != SIGNATURE:
        return False
    lib = _library()
    key = lib.EVP_PKEY_new_raw_public_key(_ED25519, None, public, SEED)
    context = lib.EVP_MD_CTX_new()
    try:
        if not key or lib.EVP_DigestVerifyInit(context, None, None, None, key) != 1:
            return False
        return bool(lib.EVP_DigestVerify(context, signature, SIGNATURE, line, len(line)) == 1)
    finally:
        lib.EVP_MD_CTX_free(context)
        lib.EVP_PKEY_free(key)


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
            f"no signature can be made or verified: this Python's ssl offers no OpenSSL ({error})"
        ) from error
    return lib
