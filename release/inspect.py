"""The release check: refuses a wheel that reports to somebody, or that nobody may pass on.

A library that is told to be silent can forget it with its next version; what has no address to call cannot.
"""

from __future__ import annotations

import hashlib
from email.message import Message
from email.parser import Parser
from functools import cache
from pathlib import Path
from typing import Final
from zipfile import ZipFile

# hosts that take reports of how a program is used or fails, as they stand in programs that report
_REPORTS_TO: Final = (
    b"events.data.microsoft.com",
    b"vortex.data.microsoft.com",
    b"dc.services.visualstudio.com",
    b"applicationinsights.azure.com",
    b"google-analytics.com",
    b"ingest.sentry.io",
    b"api.segment.io",
    b"api.mixpanel.com",
    b"i.posthog.com",
    b"api.amplitude.com",
    b"api.honeycomb.io",
    b"scarf.sh",
)


def faults(wheel: Path) -> list[str]:
    """Say why *wheel* must not be released; nothing: it may."""
    return list(_faults(wheel, hashlib.sha256(wheel.read_bytes()).hexdigest()))


@cache
def _faults(wheel: Path, _digest: str) -> tuple[str, ...]:
    found: list[str] = []
    with ZipFile(wheel) as archive:
        for name in archive.namelist():
            content = archive.read(name)
            hosts = sorted(host.decode() for host in _REPORTS_TO if host in content)
            found += [f"{wheel.name}: {name} knows {host}, which takes reports" for host in hosts]
        if not licence(metadata(archive)):
            found.append(f"{wheel.name}: its metadata name no licence")
    return tuple(found)


def metadata(archive: ZipFile) -> Message:
    """Give what a wheel says of itself."""
    [name] = [
        one for one in archive.namelist() if one.endswith(".dist-info/METADATA") and one.count("/") == 1
    ]
    return Parser().parsestr(archive.read(name).decode("utf-8"))


def licence(said: Message) -> str:
    """Give a wheel's licence in its own words: an SPDX expression where it has one."""
    classes = [
        one.rpartition(" :: ")[2] for one in said.get_all("Classifier", []) if one.startswith("License :: ")
    ]
    short = [text for text in (said["License"] or "",) if 0 < len(text) < 60]
    return said["License-Expression"] or " and ".join(short or classes)
