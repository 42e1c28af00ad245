"""Writes the catalogue of log lines: for the journal, as a page for maintainers, as a sheet about one.

All three come from ``agent.core.catalogue``; nothing is said here that does not stand there.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Mapping
from typing import Any, Final

from agent.core.catalogue.entry import Entry
from agent.core.catalogue.every import ROOMS, entries, entries_of

_FIELD: Final = re.compile(r"@([A-Z]+)@")
_LEVELS: Final = {20: "info", 30: "warning", 40: "error", 50: "critical"}
_HEAD: Final = """# Every line of the log

<!-- written by `citygate messages --form page`; change agent/core/catalogue/ instead -->

Each line that the gateway logs has a code. `journalctl -u citygate CODE=device-silent` lists all of one
kind, `journalctl -x` prints what stands here below each line, and `citygate messages device-silent` does so
without a journal. A line is told when something turns, not each time it is found so; repeats are counted,
and the line that ends it says how many there were (field `COUNT`). Levels follow from the consequence:
*info* somebody's act took effect, *warning* unexpected but nothing is lost, *error* something is lost or a
person must act.

| error in the code | who must act | codes |
|---|---|---|
"""
_ACTORS: Final = {
    "ConfigError": "a person, in a file",
    "DriverError": "nobody: it is tried again",
    "UplinkError": "nobody, or whoever runs the broker",
    "ClockError": "whoever keeps the time; it is tried again",
    "OutboxError": "whoever has the disk",
    "GatewayError": "systemd, which starts it again",
}


def level(entry: Entry) -> str:
    """Give the level as a word."""
    return _LEVELS[entry.level]


def journal_catalogue() -> str:
    """Write the catalogue that systemd-journald reads, see catalogs(7) of systemd."""
    parts = [
        f"-- {one.id}\nSubject: {one.title}\nDefined-By: citygate\n"
        "Documentation: file:///usr/share/doc/citygate/maintainer/messages.md\n\n"
        + "\n\n".join(_wrapped(text) for text in (one.matters, f"What to do: {one.act}"))
        + "\n"
        for one in entries()
    ]
    return "# Written by `citygate messages --form journal`.\n\n" + "\n".join(parts)


def page() -> str:
    """Write the page for maintainers."""
    by_error: dict[str, list[str]] = {}
    for one in entries():
        if one.error is not None:
            by_error.setdefault(one.error.__name__, []).append(f"`{one.code}`")
    table = [f"| `{name}` | {_ACTORS[name]} | {', '.join(codes)} |\n" for name, codes in by_error.items()]
    rooms = [
        f"\n## {name}\n" + "".join(_section(one) for one in entries_of(room)) for name, room in ROOMS.items()
    ]
    return _HEAD + "".join([*table, *rooms])


def sheet(entry: Entry) -> str:
    """Explain one entry, for a terminal."""
    lines = (
        f"{entry.code} ({level(entry)})",
        _title(entry),
        "",
        _named(entry.matters),
        "",
        _named(entry.act),
    )
    return "\n".join(textwrap.fill(one, 90) for one in lines)


def row(entry: Entry) -> Mapping[str, Any]:
    """Give one entry for a script."""
    return {
        "code": entry.code,
        "id": entry.id,
        "level": level(entry),
        "title": _title(entry),
        "matters": _named(entry.matters),
        "act": _named(entry.act),
    }


def _section(entry: Entry) -> str:
    said = re.sub(r"%[sdg]", "...", entry.text).replace("\n", " ")
    line = "" if not re.search(r"[a-z]{3}", said) else f"`{said}`: "
    return (
        f"\n### {entry.code}\n\n*{level(entry)}* · {line}{_title(entry)}.\n\n"
        f"{_named(entry.matters)}\n\n**What to do.** {_named(entry.act)}\n"
    )


def _wrapped(text: str) -> str:
    return textwrap.fill(text, 76, break_long_words=False, break_on_hyphens=False)


def _title(entry: Entry) -> str:
    text = _named(entry.title)
    return text if text.startswith("systemd") else text[0].upper() + text[1:]


def _named(text: str) -> str:
    """Say in words what the journal would fill in; within a command it stays in capitals."""
    return _FIELD.sub(lambda found: found[1], text)
