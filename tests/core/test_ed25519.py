"""Signatures are those of RFC 8032, and what is no key or no signature verifies nothing."""

from __future__ import annotations

import pytest

from agent.core.ed25519 import Key, verifies

# RFC 8032, section 7.1: seed, public key, message, signature
VECTORS = [
    (
        "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e06522490155"
        "5fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
    ),
    (
        "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
        "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
    ),
]


@pytest.mark.parametrize(("seed", "public", "message", "signature"), VECTORS)
def test_a_signature_is_that_of_the_standard(seed: str, public: str, message: str, signature: str) -> None:
    key = Key(bytes.fromhex(seed))
    assert key.public.hex() == public
    assert key.sign(bytes.fromhex(message)).hex() == signature
    assert verifies(key.public, bytes.fromhex(message), bytes.fromhex(signature))


def test_nothing_else_verifies() -> None:
    key = Key(bytes(range(32)))
    signature = key.sign(b"head")
    assert verifies(key.public, b"head", signature)
    assert not verifies(key.public, b"Head", signature)
    assert not verifies(Key(bytes(32)).public, b"head", signature)
    for public, made in (
        (key.public[:-1], signature),
        (key.public + b"x", signature),
        (b"", signature),
        (key.public, signature[:-1]),
        (key.public, signature + b"x"),
        (key.public, b""),
        (b"\xff" * 32, signature),
    ):
        assert not verifies(public, b"head", made)


@pytest.mark.parametrize("seed", [b"", bytes(31), bytes(33)])
def test_a_seed_of_another_length_is_refused(seed: bytes) -> None:
    with pytest.raises(ValueError, match="64 hexadecimal digits"):
        Key(seed)
