"""Makes names of points and devices out of what people once called objects: unique, and the same every time.

Pure, and a function of the whole list of a device's objects: choosing fewer of them changes no name. What all
names of a device begin with says nothing and is left out.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from typing import Final

from drivers.bacnet.facts import DeviceFacts, ObjectFacts

_LONGEST: Final = 48
_CYRILLIC: Final = "абвгдежзийклмнопрстуфхцчшщъыьэюяіїєґ"
_CYRILLIC_SPELT: Final = "a b v g d e zh z i i k l m n o p r s t u f kh ts ch sh sht a y i e yu ya i i e g"
_GREEK: Final = "αβγδεζηθικλμνξοπρσςτυφχψω"
_GREEK_SPELT: Final = "a v g d e z i th i k l m n x o p r s s t y f ch ps o"
_SPELT: Final = {
    "ä": "ae", "ö": "oe", "ü": "ue", "ß": "ss", "æ": "ae", "ø": "oe", "œ": "oe", "ł": "l", "đ": "d", "ð": "d",
    "þ": "th", "\N{LATIN SMALL LETTER DOTLESS I}": "i", "\N{MICRO SIGN}": "u", "°": "",
    **dict(zip(_CYRILLIC, _CYRILLIC_SPELT.split(), strict=True)),
    **dict(zip(_GREEK, _GREEK_SPELT.split(), strict=True)),
}  # fmt: skip
_HUMP: Final = re.compile(r"(?<=[a-z]{2})(?=[A-Z])|(?<=[A-Z0-9])(?=[A-Z][a-z]{2})|(?<=[a-z]{3})(?=[0-9])")
_SHORT: Final = {
    "analog-input": "ai",
    "analog-output": "ao",
    "analog-value": "av",
    "binary-input": "bi",
    "binary-output": "bo",
    "binary-value": "bv",
    "multi-state-input": "mi",
    "multi-state-output": "mo",
    "multi-state-value": "mv",
}
_TYPE_WORDS: Final = frozenset(
    [*_SHORT.values(), "msi", "mso", "msv", "object", "obj", "point", "pt"]
    + [word for name in (*_SHORT, "accumulator", "integer-value") for word in name.split("-")]
)


def point_names(device: DeviceFacts) -> dict[str, str]:
    """Give a point name for each object of *device*, by the object's id."""
    words = {one.id: _words(_said(one)) for one in device.objects}
    shared = _shared(list(words.values()), _words(device.name))
    wished = {one.id: _joined(words[one.id][shared:]) or _by_number(one) for one in device.objects}
    times = Counter(wished.values())
    for one in device.objects:
        if times[wished[one.id]] > 1:  # all of them get their number: who comes first must not matter
            ends = [_SHORT.get(one.type, one.type), str(one.instance)]
            wished[one.id] = _joined([*words[one.id][shared:], *ends])
    times = Counter(wished.values())
    numbered = {one.id: _by_number(one) for one in device.objects}
    return {id_: numbered[id_] if times[name] > 1 else name for id_, name in wished.items()}


def device_name(device: DeviceFacts) -> str:
    """Give a name for *device*: what it calls itself, else its number."""
    words = _words(device.name)
    name = _joined(words).replace("_", "-")
    return name if name and not name.isdigit() else f"bacnet-{device.instance}"


def _said(one: ObjectFacts) -> str:
    """Give the name of an object; its description where the name only counts (AI 01)."""
    telling = [word for word in _words(one.name) if word not in _TYPE_WORDS and not word.isdigit()]
    telling = [word for word in telling if re.sub(r"\d+$", "", word) not in _TYPE_WORDS]
    return one.name if telling or not _words(one.description) else one.description


def _words(text: str) -> list[str]:
    """Take a name apart at signs and humps, in small Latin letters."""
    bare = text if text.isascii() else "".join(map(_latin, unicodedata.normalize("NFC", text)))
    return [word for word in re.split(r"[^a-z0-9]+", _HUMP.sub(" ", bare).lower()) if word]


def _latin(sign: str) -> str:
    """Spell one letter in plain Latin letters."""
    low = sign.lower()
    plain = "".join(one for one in unicodedata.normalize("NFKD", low) if not unicodedata.combining(one))
    spelt = _SPELT[low] if low in _SPELT else "".join(_SPELT.get(one, one) for one in plain)
    return spelt.capitalize() if sign.isupper() else spelt


def _shared(names: Sequence[Sequence[str]], device: Sequence[str]) -> int:
    """Count the words that all names begin with; of a single name those of the device. One is always left."""
    others = [*names[1:], *([device] if len(names) == 1 and device else [])]
    if not others:
        return 0
    most = min(len(one) - 1 for one in names)
    shared = 0
    while shared < most and all(len(one) > shared and one[shared] == names[0][shared] for one in others):
        shared += 1
    while shared and any(one[shared][0].isdigit() for one in names if one):
        shared -= 1  # a bare number names nothing: the word before it stays
    return shared


def _by_number(one: ObjectFacts) -> str:
    kind = f"type_{one.type}" if one.type.isdigit() else one.type.replace("-", "_")
    return f"{kind}_{one.instance}"


def _joined(words: Sequence[str]) -> str:
    """Join words; the last ones tell most, so the first go when there are too many."""
    kept = list(words)
    while len(kept) > 1 and len("_".join(kept)) > _LONGEST:
        kept = kept[1:]
    return re.sub(r"[^a-z0-9]+", "_", "_".join(kept)[-_LONGEST:]).strip("_")
