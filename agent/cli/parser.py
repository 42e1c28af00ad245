"""A command-line parser whose refusals are sentences of ours: what is wrong, and the nearest right word.

It refuses to print a usage of ten lines where one sentence would do.
"""

from __future__ import annotations

import argparse
import re
from typing import Final, NoReturn

from agent.cli.screen import screen_width
from agent.core.errors import ConfigError

_CHOICE: Final = re.compile(r"argument (\S+): invalid choice: '(.*)' \(choose from (.*)\)", re.DOTALL)
_VALUE: Final = re.compile(r"argument (\S+): invalid (\w+) value: '(.*)'", re.DOTALL)
_LACKING: Final = re.compile(r"argument ([^:]+): expected (.*)")
_MISSING: Final = re.compile(r"the following arguments are required: (.*)")
_SURPLUS: Final = re.compile(r"unrecognized arguments: (\S+).*", re.DOTALL)
_WIDTH: Final = 80
_KINDS: Final = {"int": "whole number", "float": "number"}


class Parser(argparse.ArgumentParser):
    """Raises ConfigError, which ends the command with status 2."""

    def error(self, message: str) -> NoReturn:
        """Refuse the command line."""
        text = self._explained(message)
        raise ConfigError(f"{self.prog}: {text}; `{self.prog} --help` tells more, with examples")

    def _get_formatter(self) -> argparse.HelpFormatter:
        # made for each option that is added; to find a width argparse would load shutil, half a megabyte
        return argparse.RawDescriptionHelpFormatter(self.prog, width=(screen_width() or _WIDTH) - 2)

    def _explained(self, message: str) -> str:
        if found := _SURPLUS.fullmatch(message):
            return self._surplus(found[1])
        if found := _CHOICE.fullmatch(message):
            known = re.findall(r"[\w-]+", found[3])
            return f'"{found[2]}" is none of {", ".join(known)}{_near(found[2], known)}'
        if found := _VALUE.fullmatch(message):
            return f'{found[1]}: "{found[3]}" is no {_KINDS.get(found[2], found[2])}'
        if found := _MISSING.fullmatch(message):
            return f"{found[1]} is missing"
        if found := _LACKING.fullmatch(message):
            return f"{found[1]} needs {found[2].replace('argument', 'value')}"
        return message

    def _surplus(self, word: str) -> str:
        if not word.startswith("-"):
            return f'"{word}" is one word too many'
        return f'there is no option "{word}"{_near(word, _options(self))}'


def _near(word: str, known: list[str]) -> str:
    from difflib import get_close_matches  # only somebody who made a mistake waits for it

    near = get_close_matches(word.partition("=")[0], known, n=1)
    return f'; did you mean "{near[0]}"?' if near else ""


def _options(parser: argparse.ArgumentParser) -> list[str]:
    """List the options of *parser* and of its subcommands: argparse leaves refusing to the uppermost."""
    found: list[str] = []
    for action in parser._actions:  # noqa: SLF001 - argparse has no public list of its options
        found += action.option_strings
        if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001 - nor of its subcommands
            for one in action.choices.values():
                found += _options(one)
    return found
