"""Makes mutants of a file, and says which tests turn red with one."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from msgspec import Struct, convert

from tests.mutation import planted

ROOT: Final = Path(__file__).parents[2]
_RULES: Final = Path(__file__).with_name("rules.toml")
_PATIENCE: Final = 240.0
_BRIEF: Final = 30.0  # for tests that are fast
_MEMORY: Final = Path("/dev/shm")  # noqa: S108 - where no test waits for a disk


class Rule(Struct, frozen=True):
    """What holds, the text of *file* that makes it hold, what stands there without it, and who notices."""

    says: str
    file: str
    take: str
    give: str
    red: str

    def mutant(self) -> str:
        """Give the file's text without the rule."""
        text = (ROOT / self.file).read_text("utf-8")
        assert text.count(self.take) == 1, (
            f"{self.says}: {self.file} has its text {text.count(self.take)} times"
        )
        return text.replace(self.take, self.give)


class Refusal(Struct, frozen=True):
    """A statement of *file* that refuses something: its first line and the text without it."""

    file: str
    line: int
    words: str
    text: str


def rules() -> list[Rule]:
    """Read the rules that are written by hand."""
    return convert(tomllib.loads(_RULES.read_text("utf-8"))["rule"], list[Rule])


def refusals(file: str) -> list[Refusal]:
    """Take each statement out of *file* that notes a fault or raises one, a mutant each."""
    text = (ROOT / file).read_text("utf-8")
    return [_without(file, text, node) for node in _refusing(ast.parse(text))]


def red(file: str, text: str, tests: Sequence[str], folder: Path, *, everyday: bool = False) -> list[str]:
    """Run *tests* while *file* is imported as *text*; give the names of those that fail, at most one.

    One that does not come to an end is told as such. ``everyday``: leave those out that take long, and wait
    no longer than those need.
    """
    place = folder / "planted.py"
    place.write_text(text, "utf-8")
    words = ["-q", "-x", "-p", "tests.mutation.planted", "-p", "no:cacheprovider", "--no-header", *tests]
    words += ["-m", "not long"] if everyday else []
    try:
        with TemporaryDirectory(
            prefix="citygate-", dir=_MEMORY if os.access(_MEMORY, os.W_OK) else None
        ) as room:
            done = subprocess.run(
                [sys.executable, "-m", "pytest", "--basetemp", f"{room}/tests", *words],
                cwd=ROOT,
                env={**os.environ, planted.FILE: file, planted.TEXT: str(place)},
                capture_output=True,
                text=True,
                timeout=_BRIEF if everyday else _PATIENCE,
                check=False,
            )
    except subprocess.TimeoutExpired:
        return ["it does not come to an end"]
    assert done.returncode in (0, 1), done.stdout[-2000:] + done.stderr[-2000:]
    return re.findall(r"^(?:FAILED|ERROR) (\S+)", done.stdout, re.MULTILINE)


def _refusing(tree: ast.AST) -> Iterator[ast.stmt]:
    """Find what refuses: a fault that is noted, a sentence that is given back, an error that is raised."""
    for node in ast.walk(tree):
        match node:
            case ast.Expr(value=ast.Call(func=ast.Attribute(attr=name))) if name.endswith("fault"):
                yield node
            case ast.Expr(
                value=ast.Call(func=ast.Attribute(attr="append", value=ast.Attribute(attr="faults")))
            ):
                yield node
            case ast.Expr(value=ast.Yield(value=ast.Tuple())) | ast.Raise(exc=ast.Call()):
                yield node


def _without(file: str, text: str, node: ast.stmt) -> Refusal:
    lines = text.splitlines(keepends=True)
    assert node.end_lineno is not None
    words = " ".join("".join(lines[node.lineno - 1 : node.end_lineno]).split())
    lines[node.lineno - 1 : node.end_lineno] = [f"{' ' * node.col_offset}pass\n"]
    return Refusal(file, node.lineno, words[:90], "".join(lines))
