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


def add(parser: argparse.ArgumentParser) -> None:
    """Add what `citygate completion` takes."""
    parser.add_argument("shell", choices=("bash", "zsh", "fish"))


def run(args: argparse.Namespace) -> int:
    """Print the script, made from the commands' own parsers."""
    words = {name: words_of(parser_of(name)[1]) for name in COMMANDS}
    print({"bash": _bash, "zsh": _zsh, "fish": _fish}[args.shell](words))
    return 0


def words_of(parser: argparse.ArgumentParser) -> list[tuple[str, str]]:
    """List what may follow a command: options and fixed words, each with its help."""
    found: list[tuple[str, str]] = []
    for action in parser._actions:  # noqa: SLF001 - argparse has no public list of its options
        text = (action.help or "").split(" (default")[0].replace("'", "")
        names = list(action.option_strings)
        if not names and action.choices:
            names = [str(choice) for choice in action.choices]
            texts = {
                one.dest: one.help
                for one in getattr(action, "_choices_actions", ())  # subcommands carry theirs here
            }
            found += [(name, str(texts.get(name) or text).replace("'", "")) for name in names]
            continue
        found += [(name, text) for name in names if name.startswith("--")]
    return found


def _bash(words: dict[str, list[tuple[str, str]]]) -> str:
    cases = "\n".join(
        f"    {name}) words='{' '.join(word for word, _ in known)}' ;;" for name, known in words.items()
    )
    return f"""_citygate() {{
  local words='{" ".join(words)}' here="${{COMP_WORDS[COMP_CWORD]}}"
  if [ "$COMP_CWORD" -gt 1 ]; then
    case "${{COMP_WORDS[1]}}" in
{cases}
    *) words='' ;;
    esac
  fi
  COMPREPLY=($(compgen -W "$words" -- "$here"))
}}
complete -o default -F _citygate citygate"""


def _zsh(words: dict[str, list[tuple[str, str]]]) -> str:
    commands = "\n".join(f"      '{name}:{_colons(COMMANDS[name])}'" for name in words)
    cases = "\n".join(
        f"    {name}) known=({' '.join(repr(f'{word}:{_colons(text)}') for word, text in known)}) ;;"
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
    case "$words[2]" in
{cases}
    esac
  fi
  _describe 'citygate' known
  _files
}}
compdef _citygate citygate"""


def _fish(words: dict[str, list[tuple[str, str]]]) -> str:
    lines = [
        f"complete -c citygate -n __fish_use_subcommand -a {name} -d '{COMMANDS[name]}'" for name in words
    ]
    for name, known in words.items():
        seen = f"complete -c citygate -n '__fish_seen_subcommand_from {name}'"
        for word, text in known:
            what = f"-l {word.removeprefix('--')}" if word.startswith("--") else f"-a {word}"
            lines.append(f"{seen} {what} -d '{text}'")
    return "\n".join(lines)


def _colons(text: str) -> str:
    return text.replace(":", "\\:").replace("'", "")
