"""The lock: which wheel of which project, by hash, a release contains; `make lock` writes it anew.

One file a package, for all targets: pip takes a wheel when its hash is one of those that are listed.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path
from typing import Any, Final

from release.targets import ROOT, TARGETS, Target

FOLDER: Final = ROOT / "release" / "lock"
# later wheels carry end-points that report to their maker: `release.inspect` would refuse them
_HELD: Final = ("onnxruntime<1.29",)
_TOOLS: Final = ("hatchling==1.27.0",)  # another one could write another wheel of the same source
_LINE: Final = re.compile(r"^([\w.-]+)==(\S+)((?: \\\n    --hash=sha256:[0-9a-f]{64})+)$", re.M)

Lock = dict[tuple[str, str], set[str]]  # project and version -> the hashes of its wheels


def read(name: str) -> Lock:
    """Give the lock called *name*."""
    text = (FOLDER / f"{name}.txt").read_text("utf-8")
    return {
        (match[1], match[2]): set(re.findall(r"sha256:([0-9a-f]{64})", match[3]))
        for match in _LINE.finditer(text)
    }


def wanted() -> dict[str, list[str]]:
    """Give what pyproject.toml asks for, by package: the cameras have libraries of their own."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    extras = project["optional-dependencies"]
    gateway = [*project["dependencies"], *extras["aiomqtt"], *extras["modbus"], *extras["serial"]]
    return {"citygate": sorted(set(gateway)), "citygate-vision": sorted(extras["vision"])}


def write() -> None:
    """Look for the newest wheels that fit all targets, and write which they are."""
    wishes = wanted()
    gateway = _solved(wishes["citygate"])
    both = _solved([*wishes["citygate"], *wishes["citygate-vision"], *_HELD, *_pins(gateway)])
    _keep("citygate", gateway)
    _keep("citygate-vision", {key: hashes for key, hashes in both.items() if key not in gateway})
    _keep("build", _solved([*_TOOLS]))


def _solved(wishes: list[str]) -> Lock:
    """Solve for the first target, and find the wheels of the same versions for the others."""
    found: Lock = {}
    for target in TARGETS.values():
        for key, digest in _report(target, [*wishes, *_pins(found)]):
            found.setdefault(key, set()).add(digest)
    versions: dict[str, str] = {}
    for name, version in found:
        if versions.setdefault(name, version) != version:
            raise SystemExit(f"{name}: {versions[name]} and {version} are needed by different targets")
    return found


def _pins(lock: Lock) -> list[str]:
    return [f"{name}=={version}" for name, version in lock]


def _report(target: Target, wishes: list[str]) -> list[tuple[tuple[str, str], str]]:
    with tempfile.TemporaryDirectory() as room:
        report = Path(room, "report.json")
        words = ["install", "--dry-run", "--ignore-installed", "--quiet", "--report", str(report)]
        pip(*words, "--target", room, *target.pip(), *wishes)
        told: dict[str, Any] = json.loads(report.read_text("utf-8"))
    return [
        (
            (_canonical(one["metadata"]["name"]), one["metadata"]["version"]),
            one["download_info"]["archive_info"]["hashes"]["sha256"],
        )
        for one in told["install"]
    ]


def pip(*words: str, environment: dict[str, str] | None = None) -> None:
    """Run pip; end with its words when it fails."""
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    if done.returncode:
        raise SystemExit(f"{' '.join(command[2:])} failed:\n{done.stderr}")


def _canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _keep(name: str, lock: Lock) -> None:
    lines = ["# made by `make lock`; do not edit"]
    for (project, version), hashes in sorted(lock.items()):
        lines.append(" \\\n    --hash=sha256:".join([f"{project}=={version}", *sorted(hashes)]))
    (FOLDER / f"{name}.txt").write_text("\n".join(lines) + "\n", "utf-8")
