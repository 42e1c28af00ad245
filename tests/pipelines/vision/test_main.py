"""The program that commands start: it does one request, says how far it is, and what it lacks."""

from __future__ import annotations

import io
import subprocess
import sys

import pytest
from msgspec import json

from agent.core.vision import Bench, Refused
from pipelines.vision import __main__ as module


class Screen(io.StringIO):
    """A terminal."""

    def isatty(self) -> bool:
        """Say so."""
        return True


def asked(monkeypatch: pytest.MonkeyPatch, missing: str) -> int:
    """Do a request for which the package *missing* would be needed."""

    def lacks(*_: object) -> None:
        raise ModuleNotFoundError("no", name=missing)

    monkeypatch.setattr(module, "_do", lacks)
    request = json.encode(Bench(path="x", clip="", budget=1.0)).decode()
    monkeypatch.setattr(sys, "argv", ["citygate-vision", request])
    return module.main()


def test_who_starts_it_by_hand_is_told_what_it_is() -> None:
    done = subprocess.run([sys.executable, "-m", "pipelines.vision", "x"], capture_output=True, check=False)
    assert (done.returncode, done.stdout) == (2, b"")
    assert done.stderr.startswith(b"citygate-vision is started by citygate, which tells it what to do: ")


@pytest.mark.parametrize(
    ("package", "cure"),
    [
        ("numpy", "install citygate with its extra [vision]"),
        ("onnx", "`citygate model pack` on another computer"),
    ],
)
def test_a_package_that_is_missing_is_named_with_its_cure(
    package: str, cure: str, monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    assert asked(monkeypatch, package) == 1
    sys.stdout.flush()
    refused = json.decode(capfdbinary.readouterr().out, type=Refused)
    assert f"this needs {package}, which is not installed" in refused.why
    assert cure in refused.why


def test_what_is_missing_of_our_own_is_our_own_mistake(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ModuleNotFoundError):
        asked(monkeypatch, "pipelines.vision.nothing")


def test_how_far_it_is_stays_in_one_line_of_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = Screen()
    monkeypatch.setattr(sys, "stderr", screen)
    teller = module._Teller()
    for text in ("frame 1 of 25", "frame 2", "frame 2"):
        teller(text)
    teller.end()
    assert screen.getvalue() == "\rframe 1 of 25\rframe 2      \rframe 2\r       \r"


def test_in_a_log_each_word_has_a_line_of_its_own_and_is_said_once(monkeypatch: pytest.MonkeyPatch) -> None:
    log = io.StringIO()
    monkeypatch.setattr(sys, "stderr", log)
    teller = module._Teller()
    for text in ("reading", "reading", "writing"):
        teller(text)
    teller.end()
    assert log.getvalue() == "reading\nwriting\n"
