"""The ``citygate`` command: finds the subcommand, imports only that, and gives its exit status.

0: done. 1: it failed, or what was checked is not so. 2: the configuration or the command line is at fault.
It refuses to show a traceback for what a person can put right.
"""

from __future__ import annotations

import os
import signal
import sys
from importlib import import_module
from keyword import iskeyword
from typing import TYPE_CHECKING, Final, Protocol, cast

from agent.core.errors import ConfigError, GatewayError
from agent.core.folders import config_folder, control_socket, state_folder

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

COMMANDS: Final = {
    "run": "run the gateway",
    "check": "look for faults; tell what will be polled and what will leave",
    "apply": "open the units to what the configuration names, and bring it into force",
    "secret": "keep a secret for credential:NAME; list them, remove one",
    "identity": "make this gateway's key and certificate request, take the certificate, renew it",
    "wipe": "take this gateway out of service: keep the ledger, remove the rest",
    "scan": "find devices, say what they are, and write the tables for them",
    "read": "show live values with quality and raw words",
    "status": "show how the running gateway does, and what to do next",
    "doctor": "look over computer, files and gateway; say what is wrong and what to do",
    "support": "pack what whoever helps from afar needs, without secrets",
    "metrics": "print metrics about the running gateway, for Prometheus",
    "bundle": "make, apply and show signed configurations that are taken back if they fail",
    "messages": "list the lines that the log can hold, or explain one",
    "why": "tell what stops a point or a product on its way to a broker",
    "uplink": "try the way to a broker: name, TLS, welcome, each topic, and whether anyone listens",
    "plan": "show the requests that will be made, and the share of the bus they take",
    "try": "run recorded samples through the products and print what would leave",
    "utility": "show what privacy modes leave of a street's counts",
    "prove": "try to break each promise on this computer, and say what stands",
    "report": "write the annex of an impact assessment, or notices for citizens",
    "policy": "show who gets what and until when; export it; compare two",
    "export": "write what must be set up at a recipient's platform",
    "describe": "tell a recipient's platform its topics and messages",
    "ledger": "show, verify, export or match what has left",
    "profile": "list, show, test and begin device profiles",
    "model": "list, add, compare, measure and pack camera models",
    "cage": "print what lets citygate-vision reach the cameras, and nothing else",
    "draw": "write the page on which lines, zones and bays are drawn, for a laptop",
    "validate": "count a clip or beside a camera, and compare with what a person counted",
    "schema": "print the JSON Schema of the configuration, for editors",
    "demo": "run a whole small site on this computer",
    "completion": "print a completion script for bash, zsh or fish",
}


class Command(Protocol):
    """What a file of this folder offers: its docstring is the command's description."""

    __doc__: str
    add: Callable[[argparse.ArgumentParser], None]
    run: Callable[[argparse.Namespace], int]


def main(argv: list[str] | None = None) -> int:
    """Run one command; give 0 done, 1 failed, 2 at fault, 130 interrupted, 141 nobody reads any more."""
    if argv is None:
        # Ctrl-C ends a command at once: an interrupt in the middle of an import would be a traceback.
        # What has to end in order (run, demo) takes the signal for itself
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    words = sys.argv[1:] if argv is None else argv
    try:
        status = _command(words)
        sys.stdout.flush()
    except ConfigError as error:
        return _complain(error, 2)
    except GatewayError as error:
        return _complain(error, 1)
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # the interpreter would complain once more when it flushes at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except OSError as error:
        if error.filename is None:  # not about a file that somebody could put right
            raise
        hint = "; use sudo, or name a place of your own" if isinstance(error, PermissionError) else ""
        return _complain(GatewayError(f"{error.filename}: {error.strerror}{hint}"), 1)
    return status


def parser_of(name: str) -> tuple[Command, argparse.ArgumentParser]:
    """Import the command called *name* and give it with its parser."""
    from agent.cli.parser import Parser

    command = cast("Command", import_module(f"agent.cli.{name}{'_' if iskeyword(name) else ''}"))
    text, _, examples = command.__doc__.partition("\nFor example:\n")
    parser = Parser(
        prog=f"citygate {name}",
        description=text.strip(),
        epilog=f"examples:\n{examples.rstrip()}",
    )
    command.add(parser)
    return command, parser


def _command(words: list[str]) -> int:
    """Do what the first word says."""
    match words:
        case [] | ["-h" | "--help" | "help"]:
            print(_overview())
            return 0 if words else 2
        case ["--version" | "-V"]:
            print(_version())
            return 0
        case ["run"]:
            # as the service starts it: there is no word to parse, and no parser lies in its memory for years
            from agent.cli.run import start

            return start(config_folder(), state=state_folder(), socket=control_socket())
        case [name, *rest] if name in COMMANDS:
            command, parser = parser_of(name)
            return command.run(parser.parse_args(rest))
    raise _unknown(words[0])


def _unknown(word: str) -> ConfigError:
    from difflib import get_close_matches

    near = get_close_matches(word, COMMANDS, n=1)
    hint = f"did you mean `citygate {near[0]}`?" if near else "`citygate --help` lists the commands"
    return ConfigError(f'citygate: there is no command "{word}"; {hint}')


def _overview() -> str:
    lines = [f"  {name:<11} {text}" for name, text in COMMANDS.items()]
    return "\n".join(
        [
            "usage: citygate COMMAND [...]   (citygate COMMAND --help tells more, with examples)",
            "",
            "Polls a site's devices and sends only what the city granted.",
            "",
            *lines,
            "",
            "Files are read from /etc/citygate, or from the folder given (or $CONFIGURATION_DIRECTORY).",
        ]
    )


def _version() -> str:
    from importlib.metadata import version

    return f"citygate {version('citygate')}"


def _complain(error: GatewayError, status: int) -> int:
    print(error, file=sys.stderr)
    return status
