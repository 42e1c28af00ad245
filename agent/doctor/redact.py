"""Takes out of a text what nobody else may read: passwords, also in addresses, and persons' addresses.

Rather too much than too little: whoever helps needs the shape of a configuration, not its secrets.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Final

GONE: Final = "[removed]"
_KEY: Final = re.compile(
    r"""(?imx)^(?P<head>[^\#\n=]*?(?:pass|secret|token|pin\b|psk|community|key\b|contact|dpo|user)[^\n=]*=\s*)
    (?P<value>"{3}.*?"{3}|'{3}.*?'{3}|"[^"\n]*"|'[^'\n]*'|[^\s,}\]\n]+)""",
    re.DOTALL,
)
_INLINE: Final = re.compile(
    r"""(?ix)(?P<head>[{,]\s*[\w."-]*(?:pass|secret|token|pin\b|psk|community|key\b|contact|dpo|user)[\w."-]*\s*=\s*)
    (?P<value>"[^"\n]*"|'[^'\n]*'|[^\s,}\]\n]+)"""
)
_USERINFO: Final = re.compile(r"(?i)([a-z][a-z0-9+.-]*://)[^/\s\"'@]*@")
_MAIL: Final = re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+")
_REFERENCE: Final = re.compile(r"""["']?(?:credential:[\w.-]+|/[\w./-]+)?["']?""")
_LEAST: Final = 4  # a shorter secret would tear every text apart


def redacted(text: str, secrets: Collection[str] = ()) -> str:
    """Give *text* without *secrets*, wherever they stand, and without what stands behind a telling key."""
    for one in sorted(secrets, key=len, reverse=True):
        if len(one) >= _LEAST:
            text = text.replace(one, GONE)
    text = _USERINFO.sub(rf"\1{GONE}@", text)
    text = _MAIL.sub(GONE, text)
    for form in (_KEY, _INLINE):
        text = form.sub(_hidden, text)
    return text


def _hidden(found: re.Match[str]) -> str:
    """Keep a reference to a secret, or the path of a file: they say where it is, and not what."""
    value = found["value"]
    return found[0] if _REFERENCE.fullmatch(value) else f'{found["head"]}"{GONE}"'
