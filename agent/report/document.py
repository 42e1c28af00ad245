"""A page as a list of blocks, and how it becomes Markdown or one HTML file that needs nothing else.

The HTML has one language, headings in order, tables with captions and heads, and prints well. Nothing in it
is fetched from anywhere, and text is never taken for markup.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from html import escape
from typing import Final

from msgspec import Struct


class Heading(Struct, frozen=True):
    """A heading below the title; ``level`` is 2 or 3."""

    text: str
    level: int = 2


class Paragraph(Struct, frozen=True):
    """Some sentences."""

    text: str


class Bullets(Struct, frozen=True):
    """Sentences in no order."""

    items: tuple[str, ...]


class Facts(Struct, frozen=True):
    """Names with what stands behind each."""

    pairs: tuple[tuple[str, str], ...]


class Table(Struct, frozen=True):
    """Rows below heads; ``caption`` says what they are."""

    caption: str
    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


Block = Heading | Paragraph | Bullets | Facts | Table


class Page(Struct, frozen=True):
    """One page in one language."""

    title: str
    language: str
    blocks: tuple[Block, ...]


_STYLE: Final = """
body { font: 1rem/1.5 system-ui, sans-serif; color: #111; background: #fff; max-width: 60rem;
  margin: 2rem auto; padding: 0 1rem; }
h1, h2, h3 { line-height: 1.2; break-after: avoid; }
table { border-collapse: collapse; width: 100%; margin: 1rem 0; }
caption { text-align: left; font-weight: bold; padding: .3rem 0; }
th, td { border: 1px solid #767676; padding: .3rem .5rem; text-align: left; vertical-align: top;
  overflow-wrap: anywhere; }
th { background: #eee; }
dt { font-weight: bold; margin-top: .5rem; }
dd { margin: 0; }
tr { break-inside: avoid; }
@media print { body { max-width: none; margin: 0; font-size: 10pt; } thead { display: table-header-group; } }
"""


def markdown(page: Page) -> str:
    """Write *page* as Markdown."""
    return "\n\n".join([f"# {_plain(page.title)}", *map(_markdown, page.blocks)]) + "\n"


def html(pages: Sequence[Page]) -> str:
    """Write *pages* as one HTML file; the language of each is marked."""
    first = pages[0]
    return "\n".join(
        [
            "<!DOCTYPE html>",
            f'<html lang="{escape(first.language)}">',
            '<head><meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>{escape(first.title)}</title>",
            f"<style>{_STYLE}</style></head>",
            "<body><main>",
            *(line for page in pages for line in _section(page)),
            "</main></body></html>",
            "",
        ]
    )


def _section(page: Page) -> Iterator[str]:
    yield f'<section lang="{escape(page.language)}">'
    yield f"<h1>{escape(page.title)}</h1>"
    for block in page.blocks:
        yield from _html(block)
    yield "</section>"


def _html(block: Block) -> Iterable[str]:
    match block:
        case Heading(text, level):
            return [f"<h{level}>{escape(text)}</h{level}>"]
        case Paragraph(text):
            return [f"<p>{escape(text)}</p>"]
        case Bullets(items):
            return ["<ul>", *(f"<li>{escape(one)}</li>" for one in items), "</ul>"]
        case Facts(pairs):
            return ["<dl>", *(f"<dt>{escape(a)}</dt><dd>{escape(b)}</dd>" for a, b in pairs), "</dl>"]
        case Table(caption, heads, rows):
            head = "".join(f'<th scope="col">{escape(one)}</th>' for one in heads)
            body = ["<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows]
            begin = f"<table><caption>{escape(caption)}</caption><thead><tr>{head}</tr></thead><tbody>"
            return [begin, *body, "</tbody></table>"]


def _markdown(block: Block) -> str:
    match block:
        case Heading(text, level):
            return f"{'#' * level} {_plain(text)}"
        case Paragraph(text):
            return _plain(text)
        case Bullets(items):
            return "\n".join(f"- {_plain(one)}" for one in items)
        case Facts(pairs):
            return "\n".join(f"- **{_plain(a)}**: {_plain(b)}" for a, b in pairs)
        case Table(caption, heads, rows):
            lines = [heads, tuple("---" for _ in heads), *rows]
            drawn = (f"| {' | '.join(_cell(one) for one in line)} |" for line in lines)
            return "\n".join([f"{_plain(caption)}:", "", *drawn])


def _plain(text: str) -> str:
    """Let no text become markup: what Markdown would read as such is escaped."""
    return "".join(f"\\{one}" if one in "\\`*_<>[]" else one for one in " ".join(text.split()))


def _cell(text: str) -> str:
    return _plain(text).replace("|", "\\|")
