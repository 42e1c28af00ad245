"""A real browser without a window, steered over a pipe by its own protocol, so that it opens no port."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.peers import need

_FLAGS = (
    "--headless", "--remote-debugging-pipe", "--no-sandbox", "--disable-gpu", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-extensions",
    "--disable-dev-shm-usage", "--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream",
    "--host-resolver-rules=MAP * ~NOTFOUND",
)  # fmt: skip


class BrowserError(Exception):
    """What the page, or the browser, says is wrong."""


class Browser:
    """One page of it; ``requests`` holds every address that the page wished to fetch."""

    def __init__(self, to: int, back: int) -> None:
        self.requests: list[str] = []
        self.troubles: list[str] = []
        self._to = to
        self._back = os.fdopen(back, "rb")
        self._rest = bytearray()
        self._number = 0
        self._session = ""
        made = self.ask("Target.createTarget", url="about:blank")
        self._session = self.ask("Target.attachToTarget", targetId=made["targetId"], flatten=True)[
            "sessionId"
        ]
        for name in ("Page", "Runtime", "Network", "DOM", "Log", "Accessibility"):
            self.ask(f"{name}.enable")

    def ask(self, method: str, **words: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON
        """Have the browser do something; give its answer."""
        number = self._tell(method, **words)
        while (told := self._next()).get("id") != number:
            self._note(told)
        if "error" in told:
            raise BrowserError(f"{method}: {told['error']['message']}")
        answer: dict[str, Any] = told["result"]
        return answer

    def open(self, path: Path) -> None:
        """Open a file and wait until it is there."""
        self.ask("Page.navigate", url=path.as_uri())
        while (told := self._next()).get("method") != "Page.loadEventFired":
            self._note(told)

    def run(self, script: str) -> Any:  # noqa: ANN401 - whatever the page gives
        """Have *script* evaluated in the page, awaited if it is a promise."""
        told = self.ask("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        if "exceptionDetails" in told:
            raise BrowserError(str(told["exceptionDetails"]["exception"].get("description", told)))
        return told["result"].get("value")

    def click(self, x: float, y: float, to: tuple[float, float] | None = None) -> None:
        """Press the mouse at a place of the window, move it *to* another, and let go."""
        self._mouse("mousePressed", x, y)
        if to:
            for share in (0.5, 1.0):
                self._mouse("mouseMoved", x + (to[0] - x) * share, y + (to[1] - y) * share)
        self._mouse("mouseReleased", *(to or (x, y)))

    def touch(self, x: float, y: float, to: tuple[float, float]) -> None:
        """Lay a finger down, draw it *to* another place, and lift it."""
        for kind, points in (
            ("touchStart", [{"x": x, "y": y}]),
            ("touchMove", [{"x": (x + to[0]) / 2, "y": (y + to[1]) / 2}]),
            ("touchMove", [{"x": to[0], "y": to[1]}]),
            ("touchEnd", []),
        ):
            self.ask("Input.dispatchTouchEvent", type=kind, touchPoints=points)

    def key(self, name: str, *, shift: bool = False) -> None:
        """Press a key: Tab, ArrowLeft, Delete, Enter, or one sign."""
        text = {"text": name} if len(name) == 1 else {"text": "\r"} if name == "Enter" else {}
        code = {"Tab": 9, "Enter": 13, "ArrowLeft": 37, "ArrowUp": 38, "ArrowRight": 39, "ArrowDown": 40}
        words = {
            "key": name,
            "code": name,
            "windowsVirtualKeyCode": code.get(name, 0),
            "modifiers": 8 * shift,
        }
        self.ask("Input.dispatchKeyEvent", type="keyDown" if text else "rawKeyDown", **words, **text)
        self.ask("Input.dispatchKeyEvent", type="keyUp", **words)

    def give(self, field: str, file: Path) -> None:
        """Choose a file in the field with the id *field*."""
        root = self.ask("DOM.getDocument")["root"]["nodeId"]
        node = self.ask("DOM.querySelector", nodeId=root, selector=f"#{field}")["nodeId"]
        self.ask("DOM.setFileInputFiles", nodeId=node, files=[str(file)])

    def _tell(self, method: str, **words: Any) -> int:  # noqa: ANN401 - JSON
        self._number += 1
        wish = {"id": self._number, "method": method, "params": words}
        if self._session:
            wish["sessionId"] = self._session
        os.write(self._to, json.dumps(wish).encode() + b"\0")
        return self._number

    def _mouse(self, kind: str, x: float, y: float) -> None:
        buttons = 0 if kind == "mouseReleased" else 1
        self.ask(
            "Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", buttons=buttons, clickCount=1
        )

    def _next(self) -> dict[str, Any]:
        while (end := self._rest.find(b"\0")) < 0:
            if not (piece := self._back.read1(1 << 16)):
                raise BrowserError("the browser has ended")
            self._rest += piece
        told: dict[str, Any] = json.loads(self._rest[:end])
        del self._rest[: end + 1]
        return told

    def _note(self, told: dict[str, Any]) -> None:
        words = told.get("params", {})
        match told.get("method"):
            case "Network.requestWillBeSent":
                self.requests.append(words["request"]["url"])
            case "Runtime.exceptionThrown":
                self.troubles.append(str(words["exceptionDetails"].get("exception", {}).get("description")))
            case "Log.entryAdded":
                self.troubles.append(words["entry"]["text"])
            case "Page.javascriptDialogOpening":
                self._tell("Page.handleJavaScriptDialog", accept=True)

    def close(self) -> None:
        """Close the pipe, which ends the browser."""
        self._back.close()
        os.close(self._to)


@contextmanager
def browser(profile: Path) -> Iterator[Browser]:
    """Run a browser whose own files lie in *profile*."""
    program = need("chromium")
    theirs, to = os.pipe()
    back, theirs_back = os.pipe()
    script = f'exec 3<&{theirs} 4>&{theirs_back}; exec {program} "$@"'
    command = ["bash", "-c", script, "chromium", *_FLAGS, f"--user-data-dir={profile}", "about:blank"]
    with subprocess.Popen(
        command, pass_fds=(theirs, theirs_back), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        os.close(theirs)
        os.close(theirs_back)
        one = None
        try:
            one = Browser(to, back)
            yield one
        finally:
            if one is not None:
                one.close()
            process.terminate()
