"""Print the JSON Schema of the configuration files.

Editors that know TOML (tombi, taplo, VS Code) complete keys and explain them with it.

For example:
  citygate schema > site.schema.json
  # then, as the first line of site.toml:   #:schema ./site.schema.json
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import argparse


def add(parser: argparse.ArgumentParser) -> None:
    """Take nothing."""
    del parser


def run(args: argparse.Namespace) -> int:
    """Print the schema."""
    from agent.config.schema import schema

    del args
    print(json.dumps(schema(), indent=2, ensure_ascii=False))
    return 0
