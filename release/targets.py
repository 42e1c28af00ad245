"""The computers that a release is made for, and the packages of which it consists."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from msgspec import Struct

ROOT: Final = Path(__file__).parent.parent
BUILD: Final = ROOT / "build" / "release"
PACKAGES: Final = ("citygate", "citygate-vision")
PREFIX: Final = "opt/citygate"  # an add-on's own tree: what dpkg lays there collides with no distribution


class Target(Struct, frozen=True):
    """One release of Debian on one kind of processor."""

    system: str
    python: str
    glibc: int
    arch: str
    machine: str

    @property
    def name(self) -> str:
        """Give the word of the command line, such as ``debian12-arm64``."""
        return f"{self.system}-{self.arch}"

    @property
    def mark(self) -> str:
        """Give what follows the version, so that the package of a newer Debian is the newer one."""
        return f"+deb{self.system.removeprefix('debian')}"

    def pip(self) -> list[str]:
        """Give the words that make pip choose wheels for this target on whatever computer it runs."""
        tags = ["manylinux2014", *(f"manylinux_2_{minor}" for minor in range(17, self.glibc + 1))]
        abi = f"cp{self.python.replace('.', '')}"
        words = [word for tag in tags for word in ("--platform", f"{tag}_{self.machine}")]
        return [
            "--only-binary=:all:", *words, "--implementation", "cp", "--python-version", self.python,
            "--abi", abi, "--abi", "abi3", "--abi", "none",
        ]  # fmt: skip


_SYSTEMS: Final = (("debian12", "3.11", 36), ("debian13", "3.13", 41))
_MACHINES: Final = (("amd64", "x86_64"), ("arm64", "aarch64"))
TARGETS: Final = {
    one.name: one
    for system, python, glibc in _SYSTEMS
    for arch, machine in _MACHINES
    for one in [Target(system, python, glibc, arch, machine)]
}
