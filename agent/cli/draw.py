"""Write the page on which lines, zones and parking bays are drawn, for a laptop.

One file that works without a network and can reach none: a still from the camera's own web page is opened in
it, and TOML comes out. The gateway never has a picture.

For example:
  citygate draw                          writes citygate-draw.html here
  citygate draw /media/usb/draw.html
  ssh gateway citygate draw - > draw.html
"""

from __future__ import annotations

import sys
from base64 import b64encode
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Final

from agent.core.errors import ConfigError

if TYPE_CHECKING:
    import argparse

_PARTS: Final = Path(__file__).with_name("drawing")
_SCRIPTS: Final = ("toml", "scene", "stage", "still", "list", "page")
_USUAL: Final = "citygate-draw.html"
_MARK: Final = "<title>citygate: draw lines, zones and bays</title>"


def add(parser: argparse.ArgumentParser) -> None:
    """Add what `citygate draw` takes."""
    parser.add_argument(
        "file", metavar="FILE", nargs="?", default=_USUAL, help="where to; - prints it (default: %(default)s)"
    )


def run(args: argparse.Namespace) -> int:
    """Write it; a file that is something else stays."""
    text = page()
    if args.file == "-":
        print(text, end="")
        return 0
    path = Path(args.file)
    if path.exists() and _MARK not in path.read_text("utf-8", "replace"):
        raise ConfigError(f"{path} is there already and is another file; name a new one")
    path.write_text(text, encoding="utf-8")
    print(path.absolute())
    print("next: open it in a browser on the laptop, and a still from the camera in it", file=sys.stderr)
    return 0


def page() -> str:
    """Put the page together; its own policy lets nothing run but this, and nothing be fetched."""
    import json

    from agent.core.scene import CLASSES, ODD

    style = _part("style.css")
    words = f"const CLASSES = {json.dumps(CLASSES)};\nconst ODD = {ODD};\n"
    script = "\n".join(['"use strict";', words, *(_part(f"{name}.js") for name in _SCRIPTS)])
    policy = (
        f"default-src 'none'; script-src '{_digest(script)}'; style-src '{_digest(style)}';"
        " img-src blob:; media-src blob:; base-uri 'none'; form-action 'none'"
    )
    parts = {"policy": policy, "style": style, "script": script}
    text = _part("page.html")
    for name, part in parts.items():
        text = text.replace(f"{{{{{name}}}}}", part)
    return text


def _part(name: str) -> str:
    return (_PARTS / name).read_text(encoding="utf-8")


def _digest(text: str) -> str:
    """Give the name under which a policy allows exactly this text."""
    return f"sha256-{b64encode(sha256(text.encode()).digest()).decode()}"
