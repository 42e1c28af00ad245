"""Makes the options of a search out of its settings, and the settings out of what was written."""

from __future__ import annotations

import inspect
from types import NoneType, UnionType
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, Union, get_args, get_origin, get_type_hints

import msgspec
from msgspec import Meta, Struct

from agent.core.duration import Duration
from agent.core.errors import ConfigError
from agent.core.search import Search
from agent.core.settings import decode_hook

if TYPE_CHECKING:
    import argparse

_TARGETS: Final = "targets"
_UNSAID: Final = (msgspec.NODEFAULT, None, "", ())


class _Word(Struct, frozen=True):
    """A field as a command line sees it."""

    name: str
    type: Any
    meta: Meta
    default: Any

    @property
    def help(self) -> str:
        """What it is for, and what holds where it is not said."""
        text = (self.meta.description or "").removesuffix(".")
        text = text[:1].lower() + text[1:] if text[1:2].islower() else text
        usual = "" if self.default in _UNSAID or self.type is bool else f" (default: {self.default})"
        return (text + usual).replace("%", "%%")

    @property
    def metavar(self) -> str:
        """What stands for its value."""
        given = (self.meta.extra or {}).get("metavar")
        return given or {int: "N", float: "N", Duration: "TIME"}.get(self.type, "TEXT")


def describe(kind: type[Search]) -> tuple[str, str]:
    """Give what a search is for, and its examples."""
    text, _, examples = inspect.cleandoc(kind.__doc__ or "").partition("\nFor example:\n")
    return text.strip(), examples.rstrip()


def add_words(parser: argparse.ArgumentParser, kind: type[Search]) -> None:
    """Add every field of *kind*."""
    for word in _words(kind):
        if word.name == _TARGETS:
            several = "+" if word.default is msgspec.NODEFAULT else "*"
            parser.add_argument(_TARGETS, metavar=word.metavar, nargs=several, help=word.help)
        elif word.type is bool:
            parser.add_argument(_option(word.name), action="store_true", dest=word.name, help=word.help)
        elif get_origin(word.type) is Literal:
            parser.add_argument(
                _option(word.name), dest=word.name, choices=get_args(word.type), help=word.help
            )
        else:
            parser.add_argument(
                _option(word.name), dest=word.name, metavar=word.metavar, help=word.help,
                type=word.type if word.type in (int, float) else str,
            )  # fmt: skip


def settings_of(kind: type[Search], args: argparse.Namespace) -> Search:
    """Make the search that was asked for; raise ConfigError with the option that is wrong."""
    said = {key: value for key in kind.__struct_fields__ if (value := getattr(args, key)) not in (None, [])}
    for key, value in said.items():
        try:
            msgspec.convert(
                value, get_type_hints(kind, include_extras=True)[key], strict=False, dec_hook=decode_hook
            )
        except msgspec.ValidationError as error:
            what = str(error).replace("`", "").partition(" - at ")[0]
            raise ConfigError(f"{_option(key)}: {what[:1].lower()}{what[1:]}") from None
    return msgspec.convert(said, kind, strict=False, dec_hook=decode_hook)


def _words(kind: type[Search]) -> list[_Word]:
    hints = get_type_hints(kind, include_extras=True)
    found = []
    for field in msgspec.structs.fields(kind):
        plain, meta = _taken_apart(hints[field.name])
        found.append(_Word(field.name, plain, meta, field.default))
    return found


def _taken_apart(hint: Any) -> tuple[Any, Meta]:  # noqa: ANN401 - an annotation
    """Give the type of a field without None, and what is said of it."""
    meta = Meta()
    if get_origin(hint) is Annotated:
        hint, *more = get_args(hint)
        meta = next((one for one in more if isinstance(one, Meta)), meta)
    if get_origin(hint) in (Union, UnionType):
        hint = next(one for one in get_args(hint) if one is not NoneType)
        if get_origin(hint) is Annotated:
            hint = get_args(hint)[0]
    return hint, meta


def _option(name: str) -> str:
    return f"--{name.replace('_', '-')}"
