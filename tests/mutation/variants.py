"""Makes variants of a file, each with one comparison, word or number changed."""

from __future__ import annotations

import ast
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from msgspec import Struct, convert

from tests.mutation.mutants import ROOT

_EXPLAINED: Final = Path(__file__).with_name("explained.toml")
_TURNED: Final[dict[type[ast.cmpop], type[ast.cmpop]]] = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn, ast.NotIn: ast.In,
}  # fmt: skip
_Function = ast.FunctionDef | ast.AsyncFunctionDef
_SWAPPED: Final[dict[type[ast.operator], type[ast.operator]]] = {ast.Add: ast.Sub, ast.Sub: ast.Add}


class Variant(Struct, frozen=True):
    """*file* with ``before`` turned into ``after`` in *line*, which reads ``within``.

    *text* is all of it, and *statement* those of its lines that are the statement.
    """

    file: str
    line: int
    within: str
    before: str
    after: str
    text: str
    statement: str


class Explained(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A variant that no test can notice, or need notice, and why."""

    file: str
    within: str
    before: str
    after: str
    why: str

    def fits(self, one: Variant) -> bool:
        """Say whether *one* is the variant that is meant."""
        mine = (self.file, self.within, self.before, self.after)
        return mine == (one.file, one.within, one.before, one.after)


def explained() -> list[Explained]:
    """Read them all."""
    return convert(tomllib.loads(_EXPLAINED.read_text("utf-8"))["variant"], list[Explained])


def variants(file: str) -> list[Variant]:
    """Change one thing of *file* after the other, but nothing in annotations, texts and assertions."""
    text = (ROOT / file).read_text("utf-8")
    lines = text.encode().splitlines(keepends=True)
    found: list[Variant] = []
    for function in ast.walk(ast.parse(text)):
        if isinstance(function, _Function):
            for statement in function.body:
                if not isinstance(statement, _Function | ast.Assert):  # an inner function: walked by itself
                    found += _of(file, lines, statement)
    return found


def _of(file: str, lines: list[bytes], statement: ast.stmt) -> Iterator[Variant]:
    for node in _walked(statement):
        if node.lineno == node.end_lineno:
            for changed in _changes(node):
                yield _variant(file, lines, statement, node, ast.unparse(changed))


def _walked(node: ast.AST) -> Iterator[ast.expr]:
    """Give expressions, but not those within texts, whose places are not known, nor of inner functions."""
    for inner in ast.iter_child_nodes(node):
        if isinstance(inner, ast.JoinedStr | ast.Assert | _Function):
            continue
        if isinstance(inner, ast.expr):
            yield inner
        yield from _walked(inner)


def _changes(node: ast.expr) -> Iterator[ast.expr]:
    match node:
        case ast.Compare(left=left, ops=ops, comparators=others):  # each one, where several are chained
            for place, op in enumerate(ops):
                yield ast.Compare(left, [*ops[:place], _TURNED[type(op)](), *ops[place + 1 :]], others)
        case ast.BoolOp(op=ast.And(), values=values):
            yield ast.BoolOp(ast.Or(), values)
        case ast.BoolOp(op=ast.Or(), values=values):
            yield ast.BoolOp(ast.And(), values)
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            yield operand
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _SWAPPED:
            yield ast.BinOp(left, _SWAPPED[type(op)](), right)
        case ast.Constant(value=bool() as value):
            yield ast.Constant(not value)
        case ast.Constant(value=int() as number):
            yield ast.Constant(number + 1)


def _variant(file: str, lines: list[bytes], statement: ast.stmt, node: ast.expr, after: str) -> Variant:
    at = node.lineno - 1
    line, begin, end = lines[at], node.col_offset, node.end_col_offset
    # in brackets, since what stands around it may bind more closely
    changed = [*lines[:at], b"%b(%b)%b" % (line[:begin], after.encode(), line[end:]), *lines[at + 1 :]]
    return Variant(
        file=file,
        line=node.lineno,
        within=line.decode().strip(),
        before=line[begin:end].decode(),
        after=after,
        text=b"".join(changed).decode(),
        statement=b"".join(changed[statement.lineno - 1 : statement.end_lineno]).decode(),
    )
