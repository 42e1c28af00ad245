"""Writes the tables of keys in the documentation, between markers, from the settings themselves.

``python -m agent.config.page FILE`` brings a page up to date; a test fails when one is not. Text outside the
markers is left alone.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from msgspec import Struct, inspect

from agent import registry
from agent.config import tables
from agent.config.schema import bare, default, description, keys, plugins, summary
from agent.config.size import Size
from agent.core.driver import PointSettings

_MARKED: Final = re.compile(r"(<!-- keys of ([\w.-]+) -->\n).*?(<!-- end of keys -->)", re.DOTALL)


def refreshed(text: str) -> str:
    """Give a page with every table between ``<!-- keys of NAME -->`` and ``<!-- end of keys -->`` anew."""
    return _MARKED.sub(lambda found: f"{found[1]}{_tables(found[2])}{found[3]}", text)


def main(arguments: list[str]) -> int:
    """Bring the pages named in *arguments* up to date."""
    for name in arguments:
        page = Path(name)
        page.write_text(refreshed(page.read_text("utf-8")), "utf-8")
    return 0


def _tables(name: str) -> str:
    match name:
        case "drivers":
            return "".join(_drivers())
        case "steps":
            return "".join(
                f"\n#### `{use}`\n\n{summary(one)}\n\n{_table(one)}\n" for use, one in plugins("step")
            )
    family, _, kind = name.partition(".")
    if family == "encoding" and kind:
        return _table(registry.plugin("encoding", kind).settings_type)
    inner: dict[str, type[Struct]] = {
        "privacy": tables.Protection,
        "select": tables.Select,
        "combine": registry.plugin("step", "combine"),
        "point": PointSettings,
    }
    return _table((inner | tables.SINGLE | tables.NAMED)[name])


def _drivers() -> Iterator[str]:
    for kind, driver in plugins("driver"):
        yield f"\n#### `{kind}`\n\n{summary(driver)}\n\n{_table(driver)}\n"
        device: Any = getattr(driver, "device_type", None)
        if device is not None:
            yield f"\nIts devices:\n\n{_table(device)}\n\nTheir points:\n\n{_table(device.point_type)}\n"


def _table(wanted: type[Struct]) -> str:
    rows = [
        f"| `{one.encode_name}` | {_words(one.type)} | {_default(one)} | {_cell(description(one))} |"
        for one in keys(wanted)
    ]
    return "\n".join(["| key | value | default | meaning |", "|---|---|---|---|", *rows, ""])


def _default(field: inspect.Field) -> str:
    if field.required:
        return "needed"
    value = default(field)
    return "" if value is None else f"`{_cell(json.dumps(value))}`"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _words(kind: inspect.Type) -> str:  # noqa: C901, PLR0911 - one case for each kind of type
    kind = bare(kind)
    match kind:
        case inspect.LiteralType() | inspect.EnumType():
            values = kind.values if isinstance(kind, inspect.LiteralType) else [one.value for one in kind.cls]
            return ", ".join(f"`{one}`" for one in values if one != "")
        case inspect.CustomType():
            return "size" if kind.cls is Size else "duration"
        case inspect.IntType() | inspect.FloatType():
            word = "whole number" if isinstance(kind, inspect.IntType) else "number"
            if kind.ge is not None and kind.le is not None:
                return f"{word} {kind.ge:g} to {kind.le:g}"
            return word
        case inspect.BoolType():
            return "`true` or `false`"
        case inspect.DateType():
            return "date"
        case inspect.ListType() | inspect.VarTupleType():
            return f"list: {_words(kind.item_type)}"
        case inspect.TupleType():
            return f"list of {len(kind.item_types)}"
        case inspect.UnionType():
            return " or ".join(_words(one) for one in kind.types)
        case inspect.DictType() | inspect.StructType():
            return "table"
    return "text"


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
