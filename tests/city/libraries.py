"""The two consumer's libraries behind one face: in this process, and in a process of Node."""

from __future__ import annotations

import base64
import importlib.util
import json
import subprocess
from pathlib import Path
from typing import Any, Final, Protocol

from tests.peers import need

HERE: Final = Path(__file__).parents[2] / "docs" / "city" / "consumer"
DRIVER: Final = Path(__file__).parents[1] / "peers" / "consumer_process.mjs"


class Library(Protocol):
    """What a test asks of either."""

    def call(self, **asked: Any) -> Any:  # noqa: ANN401 - any JSON value, here and below
        """Call ``new``, ``take`` (topic, body), ``holes``, ``wishes`` (now) or ``state``."""
        ...

    def close(self) -> None:
        """Leave nothing running."""
        ...


class InPython:
    """The library for Python."""

    def __init__(self) -> None:
        spec = importlib.util.spec_from_file_location("consumer", HERE / "consumer.py")
        assert spec is not None
        assert spec.loader is not None
        self._module: Any = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(self._module)
        self._consumer = self._module.Consumer()

    def call(self, **asked: Any) -> Any:  # noqa: ANN401
        """Call it."""
        match asked["call"]:
            case "new":
                self._consumer = self._module.Consumer()
                return None
            case "take":
                return self._consumer.take(asked["topic"], asked["body"])
            case "holes":
                return [list(one) for one in self._consumer.holes()]
            case "wishes":
                return [[topic, json.loads(body)] for topic, body in self._consumer.wishes(asked["now"])]
        return self._consumer.state

    def close(self) -> None:
        """Nothing runs."""


class InNode:
    """The library for JavaScript."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [need("node"), str(DRIVER), (HERE / "consumer.mjs").as_uri()],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip

    def call(self, **asked: Any) -> Any:  # noqa: ANN401
        """Call it."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        if "body" in asked:
            asked["body"] = base64.b64encode(asked["body"]).decode()
        self._process.stdin.write(json.dumps(asked) + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())

    def close(self) -> None:
        """End it."""
        self._process.communicate("")


KINDS: Final[dict[str, type[InPython | InNode]]] = {"python": InPython, "node": InNode}
