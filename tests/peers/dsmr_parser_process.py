"""Reads a P1 telegram from standard input with dsmr-parser and prints every number that it found, as JSON.

Runs in a process of its own, with dsmr-parser's folder as ``PYTHONPATH``; its argument is the version.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from decimal import Decimal
from importlib import import_module
from typing import Any


def numbers(telegram: Any) -> Iterator[float]:  # noqa: ANN401 - it has no types
    """Give every number of a telegram, also of the meters behind."""
    groups = [telegram, *getattr(telegram, "MBUS_DEVICES", [])]
    for one in (one for group in groups for one in vars(group).values()):
        value = getattr(one, "value", None)
        if isinstance(value, int | float | Decimal | str):
            try:
                yield float(value)
            except ValueError:
                continue


if __name__ == "__main__":
    version = getattr(import_module("dsmr_parser.telegram_specifications"), sys.argv[1])
    parser = import_module("dsmr_parser.parsers").TelegramParser(version)
    print(json.dumps(list(numbers(parser.parse(sys.stdin.buffer.read().decode("ascii"))))))  # noqa: T201
