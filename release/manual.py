"""The manual page and the completions, made from the commands' own parsers."""

from __future__ import annotations

import contextlib
import gzip
import io
import os
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from agent.cli.completion import run as completion
from agent.cli.main import COMMANDS, parser_of

_WIDTH: Final = "100"
_COMPLETIONS: Final = {
    "bash": "usr/share/bash-completion/completions/citygate",
    "zsh": "usr/share/zsh/vendor-completions/_citygate",
    "fish": "usr/share/fish/vendor_completions.d/citygate.fish",
}
_FILES: Final = """\
.TP
.I /etc/citygate/*.toml
the site and what it shares; \\fBcitygate check\\fR tells every fault
.TP
.I /etc/citygate/credentials
secrets by name, written by \\fBcitygate secret\\fR
.TP
.I /opt/citygate/plugins
drivers, steps and encodings of others; outside what citygate promises
.TP
.I /var/lib/citygate
the outbox, which is the ledger
.TP
.I /usr/share/doc/citygate
an example, the bill of materials, licences
"""


def page(version: str, epoch: int) -> str:
    """Write citygate(1)."""
    day = datetime.fromtimestamp(epoch, UTC).date().isoformat()
    parts = [
        f'.TH CITYGATE 1 "{day}" "citygate {version}" "User Commands"',
        ".SH NAME\ncitygate \\- polls a site\\(aqs devices and sends only what the city granted",
        ".SH SYNOPSIS\n.B citygate\n.I COMMAND\n[...]",
        ".SH COMMANDS",
    ]
    for name in COMMANDS:
        parser = parser_of(name)[1]
        parser.prog = f"citygate {name}"
        with _as_wide_as(_WIDTH):  # whatever the screen of whoever packs
            parts.append(f".SS citygate {name}\n.nf\n{_plain(parser.format_help())}\n.fi")
    parts.append(f".SH FILES\n{_FILES}".rstrip())
    return "\n".join(parts) + "\n"


@contextlib.contextmanager
def _as_wide_as(columns: str) -> Iterator[None]:
    before = os.environ.get("COLUMNS")
    os.environ["COLUMNS"] = columns
    try:
        yield
    finally:
        if before is None:
            del os.environ["COLUMNS"]
        else:
            os.environ["COLUMNS"] = before


def lay(root: Path, version: str, epoch: int) -> None:
    """Put the page and the completions below *root*."""
    man = root / "usr/share/man/man1/citygate.1.gz"
    man.parent.mkdir(parents=True)
    man.write_bytes(gzip.compress(page(version, epoch).encode(), mtime=0))
    for shell, name in _COMPLETIONS.items():
        out = io.StringIO()
        args = parser_of("completion")[1].parse_args([shell])
        with contextlib.redirect_stdout(out):
            completion(args)
        (root / name).parent.mkdir(parents=True)
        (root / name).write_text(out.getvalue(), "utf-8")


def _plain(text: str) -> str:
    """Keep roff from taking a word of ours for one of its own."""
    return re.sub(r"(?m)^(['.])", r"\\&\1", text.replace("\\", "\\e").replace("-", "\\-").rstrip())
