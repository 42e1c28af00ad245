"""Describe what a recipient's platform meets: its topics, and an example of every message.

All of it is made by the recipient's own encoding from the configuration, so it cannot say anything else than
what leaves. --asyncapi is an AsyncAPI 3.0 document, --json-schema the schema of the bodies (where an encoding
has one), --markdown a page for people.

For example:
  citygate describe ./site --markdown
  citygate describe ./site --recipient city --asyncapi > city.json
  citygate describe --json-schema
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from agent.cli import options
from agent.core.errors import ConfigError

if TYPE_CHECKING:
    import argparse


def add(parser: argparse.ArgumentParser) -> None:
    """Add what `citygate describe` takes."""
    options.folder(parser)
    parser.add_argument(
        "--recipient", metavar="NAME", default="", help="whose platform; needed where there are several"
    )
    forms = parser.add_mutually_exclusive_group()
    for name, text in (
        ("asyncapi", "an AsyncAPI 3.0 document"),
        ("json-schema", "the JSON Schema of the bodies"),
        ("markdown", "a page for people (default)"),
    ):
        forms.add_argument(
            f"--{name}", dest="form", action="store_const", const=name, default="markdown", help=text
        )


def run(args: argparse.Namespace) -> int:
    """Print one of the three."""
    from agent.config.load import load
    from agent.release import release
    from agent.report.asyncapi import asyncapi
    from agent.report.document import markdown
    from agent.report.interface import interface
    from agent.report.interface_page import page

    described = interface(load(args.folder), args.recipient)
    if args.form == "markdown":
        print(markdown(page(described, software=release())), end="")
        return 0
    if args.form == "asyncapi":
        print(json.dumps(asyncapi(described, software=release()), indent=2, ensure_ascii=False))
        return 0
    if described.schema is None:
        encoding = described.recipient.encoding
        raise ConfigError(
            f'encoding "{encoding}" has no schema of its own; --asyncapi tells topics and examples'
        )
    print(json.dumps(described.schema, indent=2, ensure_ascii=False))
    return 0
