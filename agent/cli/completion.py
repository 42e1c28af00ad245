"""Print a completion script for bash, zsh or fish.

For example:
  citygate completion bash > /etc/bash_completion.d/citygate
  citygate completion fish > ~/.config/fish/completions/citygate.fish
  eval "$(citygate completion zsh)"
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent.cli.main import COMMANDS, parser_of

if TYPE_CHECKING:
    import argparse

    Words = dict[str, list[tuple[str, str]]]  # what may follow "check", and what "ledger show"


def add(parser: argparse.ArgumentParser) -> None:
    """Add what `citygate completion` takes."""
    parser.add_argument("shell", choices=("bash", "zsh", "fish"))


def run(args: argparse.Namespace) -> int:
    """Print the script, made from the commands' own parsers."""
    words: Words = {}
    for name in COMMANDS:
        parser = parser_of(name)[1]
        words |= {f"{name} {way}": words_of(one) for way, one in _ways(parser).items()}
        words[name] = words_of(parser)
    print({"bash": _bash, "zsh": _zsh, "fish": _fish}[args.shell](words))
    return 0


def words_of(parser: argparse.ArgumentParser) -> list[tuple[str, str]]:
    """List what may follow a command: options and fixed words, each with its help."""
    found: list[tuple[str, str]] = []
    for action in parser._actions:  # noqa: SLF001 - argparse has no public list of its options
        text = _plain(action.help or "").split(" (default")[0]
        if not action.option_strings and action.choices:
            texts = {
                one.dest: one.help
                for one in getattr(action, "_choices_actions", ())  # subcommands carry theirs here
            }
            found += [(str(one), _plain(texts.get(str(one)) or text)) for one in action.choices]
            continue
        found += [(name, text) for name in action.option_strings if name.startswith("--")]
    return found


def _ways(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    """Give the subcommands of a command, such as those of `citygate ledger`."""
    found: dict[str, argparse.ArgumentParser] = {}
    for action in parser._actions:  # noqa: SLF001 - nor of its subcommands
        if hasattr(action, "_choices_actions") and isinstance(action.choices, dict):
            found |= action.choices
    return found


def _bash(words: Words) -> str:
    cases = "\n".join(
        f"    {_pattern(name)}) words='{' '.join(word for word, _ in known)}' ;;"
        for name, known in words.items()
    )
    return f"""_citygate() {{
  local words='{" ".join(COMMANDS)}' here="${{COMP_WORDS[COMP_CWORD]}}"
  if [ "$COMP_CWORD" -gt 1 ]; then
    case "${{COMP_WORDS[1]}} ${{COMP_WORDS[2]}}" in
{cases}
    *) words='' ;;
    esac
  fi
  COMPREPLY=($(compgen -W "$words" -- "$here"))
}}
complete -o default -F _citygate citygate"""


def _zsh(words: Words) -> str:
    commands = "\n".join(f"      '{name}:{_colons(text)}'" for name, text in COMMANDS.items())
    cases = "\n".join(
        f"    {_pattern(name)}) known=({' '.join(_described(*one) for one in known)}) ;;"
        for name, known in words.items()
    )
    return f"""#compdef citygate
_citygate() {{
  local -a known
  if (( CURRENT == 2 )); then
    known=(
{commands}
    )
  else
    case "$words[2] $words[3]" in
{cases}
    esac
  fi
  _describe 'citygate' known
  _files
}}
compdef _citygate citygate"""


def _fish(words: Words) -> str:
    lines = [
        f"complete -c citygate -n __fish_use_subcommand -a {name} -d '{_plain(text)}'"
        for name, text in COMMANDS.items()
    ]
    for name, known in words.items():
        seen = "; and ".join(f"__fish_seen_subcommand_from {one}" for one in name.split())
        if ways := [one.split()[1] for one in words if one.startswith(f"{name} ")]:
            seen += f"; and not __fish_seen_subcommand_from {' '.join(ways)}"
        for word, text in known:
            what = f"-l {word.removeprefix('--')}" if word.startswith("--") else f"-a {word}"
            lines.append(f"complete -c citygate -n '{seen}' {what} -d '{text}'")
    return "\n".join(lines)


def _pattern(name: str) -> str:
    """Match the first two words of a command line: both of "ledger show", any second one after "check"."""
    return f'"{name}"' if " " in name else f'"{name} "*'


def _described(word: str, text: str) -> str:
    return f"'{word}:{_colons(text)}'"


def _plain(text: str) -> str:
    return text.replace("'", "")


def _colons(text: str) -> str:
    return _plain(text).replace(":", "\\:")
