"""The release check refuses wheels that report to somebody, and takes the locked ones."""

from __future__ import annotations

from pathlib import Path
from zipfile import ZipFile

from release.inspect import faults


def wheel(folder: Path, content: bytes, *, said: str = "License-Expression: MIT\n") -> Path:
    path = folder / "toy-1.0-py3-none-any.whl"
    with ZipFile(path, "w") as archive:
        archive.writestr("toy/engine.so", content)
        archive.writestr(
            "toy-1.0.dist-info/METADATA", f"Metadata-Version: 2.4\nName: toy\nVersion: 1.0\n{said}"
        )
    return path


def test_a_wheel_with_a_telemetry_end_point_is_refused_by_name(tmp_path: Path) -> None:
    content = b"\0https://mobile.events.data.microsoft.com/OneCollector/1.0\0"
    assert faults(wheel(tmp_path, content)) == [
        "toy-1.0-py3-none-any.whl: toy/engine.so knows events.data.microsoft.com, which takes reports"
    ]


def test_a_wheel_without_a_licence_is_refused(tmp_path: Path) -> None:
    assert faults(wheel(tmp_path, b"", said="")) == ["toy-1.0-py3-none-any.whl: its metadata name no licence"]


def test_a_quiet_wheel_with_a_licence_is_taken(tmp_path: Path) -> None:
    assert faults(wheel(tmp_path, b"https://www.w3.org/")) == []
