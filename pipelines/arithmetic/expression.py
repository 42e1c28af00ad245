"""Reads and computes expressions such as ``active_power / (volume * 2)``.

Numbers, points, ``+ - * / ( )``, ``min``, ``max`` and ``abs``: nothing else. It refuses every other piece of
Python by name and column, and never runs text as code: it walks the syntax tree.
"""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Mapping
from math import isfinite
from typing import Final

_MOST: Final = 400  # characters; far below what the parser's recursion allows
_OPERATORS: Final[dict[type[ast.operator], Callable[[float, float], float]]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}
_FUNCTIONS: Final[dict[str, Callable[..., float]]] = {"min": min, "max": max, "abs": abs}
Compute = Callable[[Mapping[str, float]], float]


class Expression:
    """An expression and the names of the points in it, in order of appearance."""

    def __init__(self, text: str) -> None:
        self.text = text
        self._columns: dict[str, int] = {}
        self._lead = len(text) - len(text.lstrip())
        self.compute: Final[Compute] = self._read(_parse(text))
        if not self._columns:
            raise ValueError(f'expression "{text}" names no point')

    @property
    def names(self) -> tuple[str, ...]:
        """The names of points in it, in order of appearance."""
        return tuple(self._columns)

    def column(self, name: str) -> int:
        """Give the column, from 1, at which *name* stands first."""
        return self._columns[name]

    def _read(self, node: ast.expr) -> Compute:
        """Make a function of one part of the tree; raise ValueError with the column if it is not allowed."""
        match node:
            case ast.Constant(value=bool()):
                raise self._fault(node, "true and false are no numbers")
            case ast.Constant(value=int() | float() as number):
                return _constant(self._finite(number, node))
            case ast.Constant(value=str() as name) | ast.Name(id=name):
                self._columns.setdefault(name, self._column(node))
                return lambda values: values[name]
            case ast.UnaryOp(op=ast.USub(), operand=inner):
                return _negative(self._read(inner))
            case ast.UnaryOp(op=ast.UAdd(), operand=inner):
                return self._read(inner)
            case ast.BinOp(left=left, op=sign, right=right) if type(sign) in _OPERATORS:
                return _both(_OPERATORS[type(sign)], self._read(left), self._read(right))
            case ast.Call(func=ast.Name(id=name), args=args, keywords=[]) if name in _FUNCTIONS:
                return self._call(name, args, node)
        raise self._fault(node, "only numbers, points, + - * / ( ), min, max and abs are understood")

    def _finite(self, number: float, node: ast.expr) -> float:
        try:
            if isfinite(value := float(number)):
                return value
        except OverflowError:
            pass
        raise self._fault(node, "this number is too large")

    def _call(self, name: str, args: list[ast.expr], node: ast.expr) -> Compute:
        if (name == "abs") != (len(args) == 1):
            wanted = "one value" if name == "abs" else "two values or more"
            raise self._fault(node, f"{name} takes {wanted}")
        return _function(_FUNCTIONS[name], [self._read(one) for one in args])

    def _fault(self, node: ast.expr, what: str) -> ValueError:
        return ValueError(f'expression "{self.text}", column {self._column(node)}: {what}')

    def _column(self, node: ast.expr) -> int:
        # the tree counts bytes of UTF-8, people count characters
        before = self.text.lstrip().encode()[: node.col_offset]
        return len(before.decode()) + self._lead + 1


def _parse(text: str) -> ast.expr:
    if len(text) > _MOST:
        raise ValueError(f"expression is longer than {_MOST} characters")
    try:
        return ast.parse(text.lstrip(), mode="eval").body
    except SyntaxError as error:
        lead = len(text) - len(text.lstrip())
        # an error at the end of the text is told without a place
        column = error.offset + lead if error.offset else len(text) + 1
        raise ValueError(
            f'expression "{text}", column {column}: {error.msg}; a point whose name is'
            " not a plain word stands in quotes, such as 'ahu-1.supply'"
        ) from None
    except (ValueError, RecursionError, MemoryError):
        raise ValueError(f'expression "{text}" cannot be read') from None


def _constant(number: float) -> Compute:
    return lambda _values: number


def _negative(inner: Compute) -> Compute:
    return lambda values: -inner(values)


def _both(sign: Callable[[float, float], float], left: Compute, right: Compute) -> Compute:
    return lambda values: sign(left(values), right(values))


def _function(function: Callable[..., float], args: list[Compute]) -> Compute:
    return lambda values: function(*(one(values) for one in args))
