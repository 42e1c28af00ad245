"""The program ``citygate-vision``: counts cameras for the agent, or does one request of a command.

How far it is goes to standard error. It refuses to print anything else that it computed.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Final

from msgspec import Struct, json

from agent.core.errors import GatewayError
from agent.core.vision import PROGRAM, Bench, Build, Count, Install, Refused, Request, Trial, Verify

_PACKAGES: Final = ("av", "cv2", "numpy", "onnx", "onnxruntime")


def main() -> int:
    """Count cameras if the first word is ``watch``; else do one request."""
    if sys.argv[1:2] == ["watch"]:
        from pipelines.vision.watch import main as watch

        return watch(sys.argv[2:])
    return _one_request()


def _one_request() -> int:
    """Do the request that is the only word of the command line; 0 done, 1 refused, 2 not understood."""
    try:
        [word] = sys.argv[1:]
        request: Request = json.decode(word, type=Request)
    except ValueError as error:
        print(f"{PROGRAM} is started by citygate, which tells it what to do: {error}", file=sys.stderr)
        return 2
    teller = _Teller()
    try:
        answer = _do(request, teller)
    except GatewayError as error:
        answer = Refused(str(error))
    except ModuleNotFoundError as error:
        if error.name not in _PACKAGES:
            raise
        answer = Refused(f"this needs {error.name}, which is not installed: {_cure(error.name)}")
    teller.end()
    sys.stdout.buffer.write(json.encode(answer) + b"\n")
    return 1 if isinstance(answer, Refused) else 0


def _do(request: Request, tell: Callable[[str], None]) -> Struct:
    """Do one request; what it needs is imported only now."""
    match request:
        case Count():
            from pipelines.vision.count import count

            return count(request, tell)
        case Bench():
            return _bench(request)
        case Trial():
            from pipelines.vision.jail.trial import trial

            return trial(request)
    from pipelines.vision.models import build

    match request:
        case Build():
            return build.build(request, tell)
        case Install():
            return build.install(request, tell)
        case Verify():
            return build.verify(request, tell)


def _bench(request: Bench) -> Struct:
    from pathlib import Path

    from pipelines.vision.models.build import opened
    from pipelines.vision.models.bundle import read
    from pipelines.vision.models.cost import cost

    bundle = read(Path(request.path))
    return cost(opened(bundle.model, bundle.manifest.about.family), request.clip, request.budget)


def _cure(package: str | None) -> str:
    if package == "onnx":
        return "install it, or make a bundle with `citygate model pack` on another computer and add that"
    return "install citygate with its extra [vision]"


class _Teller:
    """Says how far it is: in one line that changes on a terminal, else in lines of their own."""

    def __init__(self) -> None:
        self._alive = sys.stderr.isatty()
        self._told = ""

    def __call__(self, text: str) -> None:
        if self._alive:
            sys.stderr.write(f"\r{text:<{len(self._told)}}")
        elif text != self._told:
            sys.stderr.write(f"{text}\n")
        sys.stderr.flush()
        self._told = text

    def end(self) -> None:
        """Leave the line for whoever writes next."""
        if self._alive and self._told:
            sys.stderr.write(f"\r{'':<{len(self._told)}}\r")


if __name__ == "__main__":
    raise SystemExit(main())
