"""From when until when a certificate is valid, read out of its bytes.

No library is asked: the time is wanted of a client certificate and of an authority alike, and ``ssl`` tells
it of authorities alone. Nothing is verified here.
"""

from __future__ import annotations

import binascii
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

_PEM: Final = re.compile(r"-----BEGIN CERTIFICATE-----(.+?)-----END CERTIFICATE-----", re.DOTALL)
_SEQUENCE: Final = 0x30
_VERSION: Final = 0xA0
_UTC_TIME: Final = 0x17


def validity(path: Path) -> tuple[float, float] | None:
    """Give begin and end, in UTC seconds, of the certificate in *path* that ends first; None: there is none.

    Raise OSError when the file cannot be read.
    """
    spans = []
    for pem in _PEM.findall(path.read_text("ascii", errors="replace")):
        try:
            spans.append(_validity(binascii.a2b_base64(pem)))
        except (ValueError, IndexError):
            continue
    return min(spans, key=lambda span: span[1], default=None)


def _validity(der: bytes) -> tuple[float, float]:
    _, certificate, _ = _item(der, 0)
    _, body, _ = _item(certificate, 0)
    at = 0
    tag, _, after = _item(body, at)
    if tag == _VERSION:
        at = after
    for _ in range(3):  # serial number, algorithm, issuer
        _, _, at = _item(body, at)
    tag, span, _ = _item(body, at)
    if tag != _SEQUENCE:
        raise ValueError("no validity where it should be")
    kind, begin, after = _item(span, 0)
    other, end, _ = _item(span, after)
    return _time(kind, begin), _time(other, end)


def _item(data: bytes, at: int) -> tuple[int, bytes, int]:
    """Give tag and contents of the item at *at*, and where the next one begins."""
    tag, length, start = data[at], data[at + 1], at + 2
    if length & 0x80:
        size = length & 0x7F
        length, start = int.from_bytes(data[start : start + size]), start + size
    return tag, data[start : start + length], start + length


def _time(kind: int, raw: bytes) -> float:
    """Read a UTCTime or a GeneralizedTime; of a two-digit year RFC 5280 says the century."""
    said = raw.decode("ascii")
    if kind == _UTC_TIME:
        said = ("19" if said[:2] >= "50" else "20") + said
    return datetime.strptime(said, "%Y%m%d%H%M%SZ").replace(tzinfo=UTC).timestamp()
