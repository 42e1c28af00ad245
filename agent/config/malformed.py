"""Says what is wrong with a text that is no TOML, and how it was meant."""

from __future__ import annotations

import re
from typing import Final

from agent.config.spans import Span

_AT: Final = re.compile(r" \(at (?:line (\d+), column (\d+)|end of document)\)$")
_DOUBLE: Final = re.compile(r"Cannot declare \((.*?),?\) twice")
_BARE_TEXT: Final = re.compile(r"\s*[\w.\"'-]+\s*=\s*([^\s#=\"'\[{][^#=\"'\[{]*)")
_KEY: Final = re.compile(r"\s*([\w.\"'-]+?)\s*=")
_NO_EQUALS: Final = re.compile(r"\s*([\w-]+)\s*(?::|\s)\s*([^\s#].*?)\s*(?:#.*)?")
_CURLY: Final = str.maketrans(
    dict.fromkeys("“”„‟″", '"') | dict.fromkeys("‘’‚′", "'")  # noqa: RUF001 - those of word processors
)


def explained(message: str, text: str) -> tuple[str, str, Span]:
    """Bring tomllib's message and place into our form."""
    lines = text.split("\n")
    found = _AT.search(message)
    message = _AT.sub("", message)
    if found and found[1]:
        line, column = int(found[1]), int(found[2])
    else:
        line = max((n for n, one in enumerate(lines, 1) if one.strip()), default=1)
        column = len(lines[line - 1]) + 1
    whole = lines[line - 1]
    if double := _DOUBLE.search(message):
        name = ".".join(part.strip(" '\"") for part in double[1].split(","))
        column = len(whole) - len(whole.lstrip()) + 1
        return (f"table [{name}] stands twice", "", Span(line, column, max(1, len(whole.strip()))))
    if message == "Cannot overwrite a value" and (key := _KEY.match(whole)):
        return (f'key "{key[1]}" stands twice', "take one away", Span(line, key.start(1) + 1, len(key[1])))
    hint = _meant(message, whole, column)
    return (f"not TOML: {message[:1].lower()}{message[1:]}", hint, Span(line, column, 1))


def _meant(message: str, line: str, column: int) -> str:  # noqa: PLR0911 - one for each mistake
    """Guess how *line*, which is no TOML from *column* on, was meant."""
    straight = line.translate(_CURLY)
    if straight != line:
        return f"use straight quotes: {straight.strip()}"
    if line[column - 1 : column] in (";", ","):
        return f'take away "{line[column - 1]}"'
    if message.startswith("Expected ']' at the end of a table"):
        name = line.strip().lstrip("[").partition("#")[0].partition("]")[0].strip()
        return f"write [{name.replace(' ', '-')}]"
    if message.startswith("Expected '='") and (pair := _NO_EQUALS.fullmatch(line)):
        return f"write {pair[1]} = {pair[2]}"
    if message.startswith("Illegal character '\\n'") and line.count('"') % 2:
        return "the closing quote is missing"
    if bare := _BARE_TEXT.match(line):
        return f'text stands in quotes: "{bare[1].strip()}"'
    return ""
