"""The answer to a challenge of HTTP (RFC 7616), for cameras that take no token in the question itself."""

from __future__ import annotations

import re
from hashlib import md5, sha256
from typing import Final

from drivers.cameras.onvif.soap import Who

_WORD: Final = re.compile(r'(\w+)\s*=\s*(?:"([^"]*)"|([^\s,]+))')


def answer(challenge: str, who: Who, path: str, nonce: str) -> str:
    """Give the header that proves the password; empty when the challenge cannot be met."""
    told = {name.casefold(): quoted or plain for name, quoted, plain in _WORD.findall(challenge)}
    algorithm = told.get("algorithm", "MD5")
    if algorithm.upper() not in ("MD5", "SHA-256") or "nonce" not in told or _unsafe(told):
        return ""

    def hashed(text: str) -> str:
        if algorithm.upper() == "SHA-256":
            return sha256(text.encode()).hexdigest()
        return md5(
            text.encode(), usedforsecurity=False
        ).hexdigest()  # the standard's; nothing rests on it alone

    first = hashed(f"{who.user}:{told.get('realm', '')}:{who.password}")
    second = hashed(f"POST:{path}")
    shared = "auth" in [one.strip() for one in told.get("qop", "").split(",")]
    between = f"{told['nonce']}:00000001:{nonce}:auth" if shared else told["nonce"]
    user = who.user.replace("\\", "\\\\").replace('"', '\\"')
    words = [
        f'username="{user}", realm="{told.get("realm", "")}", nonce="{told["nonce"]}", uri="{path}"',
        f'response="{hashed(f"{first}:{between}:{second}")}", algorithm={algorithm}',
        *([f'qop=auth, nc=00000001, cnonce="{nonce}"'] if shared else []),
        *([f'opaque="{told["opaque"]}"'] if "opaque" in told else []),
    ]
    return f"Digest {', '.join(words)}"


def _unsafe(told: dict[str, str]) -> bool:
    """Say whether something in it would not fit into a line of ours."""
    return any(not one.isprintable() or "\\" in one for one in told.values())
