"""Writes what cameras are asked: SOAP 1.2 with a token that proves the password without telling it.

Only questions can be written: every name begins with "Get".
"""

from __future__ import annotations

from base64 import b64encode
from datetime import UTC, datetime
from hashlib import sha1
from typing import Final
from xml.sax.saxutils import escape

from msgspec import Struct

DEVICE: Final = "http://www.onvif.org/ver10/device/wsdl"
MEDIA: Final = "http://www.onvif.org/ver10/media/wsdl"
SCHEMA: Final = "http://www.onvif.org/ver10/schema"
_SOAP: Final = "http://www.w3.org/2003/05/soap-envelope"
_OASIS: Final = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss"
_DIGEST: Final = f"{_OASIS}-username-token-profile-1.0#PasswordDigest"
_BASE64: Final = f"{_OASIS}-soap-message-security-1.0#Base64Binary"


class Who(Struct, frozen=True):
    """A user at the camera."""

    user: str
    password: str


def question(name: str, space: str, inside: str = "", *, token: str = "") -> bytes:
    """Write the question *name* of the service *space*; *inside* is XML of ours."""
    assert name.startswith("Get"), "nothing at a camera is ever changed"
    head = f"<s:Header>{token}</s:Header>" if token else ""
    return (
        f'<?xml version="1.0" encoding="utf-8"?><s:Envelope xmlns:s="{_SOAP}" xmlns:t="{SCHEMA}">{head}'
        f'<s:Body><{name} xmlns="{space}">{inside}</{name}></s:Body></s:Envelope>'
    ).encode()


def token(who: Who, utc: float, nonce: bytes) -> str:
    """Write the token of *who*, made at *utc* by the camera's own clock: it refuses one that is old."""
    created = f"{datetime.fromtimestamp(utc, UTC):%Y-%m-%dT%H:%M:%S.000Z}"
    # the algorithm is the standard's; what is hashed is used once
    digest = sha1(nonce + created.encode() + who.password.encode(), usedforsecurity=False).digest()
    return (
        f'<w:Security s:mustUnderstand="1" xmlns:w="{_OASIS}-wssecurity-secext-1.0.xsd"'
        f' xmlns:u="{_OASIS}-wssecurity-utility-1.0.xsd"><w:UsernameToken>'
        f"<w:Username>{escape(who.user)}</w:Username>"
        f'<w:Password Type="{_DIGEST}">{b64encode(digest).decode()}</w:Password>'
        f'<w:Nonce EncodingType="{_BASE64}">{b64encode(nonce).decode()}</w:Nonce>'
        f"<u:Created>{created}</u:Created></w:UsernameToken></w:Security>"
    )
