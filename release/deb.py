"""Packs a release into .deb files, byte for byte the same from the same source; needs no root."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from msgspec import Struct

from agent.outbox.schema import VERSION as FORM
from release import inspect, manual, papers, tree, wheels
from release.targets import BUILD, PACKAGES, PREFIX, ROOT, Target

_UNITS: Final = ROOT / "systemd"
_SCRIPTS: Final = ROOT / "release" / "scripts"
_PLUGINS: Final = f"{PREFIX}/plugins"
_DEPENDS: Final = {
    "citygate": "libc6 (>= 2.{glibc}), tzdata, openssl, passwd, init-system-helpers, "
    "systemd | systemd-standalone-sysusers, systemd | systemd-standalone-tmpfiles",
    "citygate-vision": "citygate (= {version}), libc6 (>= 2.{glibc}), libstdc++6, libgcc-s1, zlib1g, systemd",
}
_TEXTS: Final = {
    "citygate": (
        "edge gateway for a city's own sites\n"
        " Polls the Modbus, BACnet and serial devices of a building, and sends over MQTT\n"
        " only aggregated, privacy-filtered records that the city granted to somebody.\n"
        " What left is kept in a ledger, and `citygate prove` tries to break each promise."
    ),
    "citygate-vision": (
        "counts people and vehicles for citygate, keeps and sends no picture\n"
        " The only process that sees pixels: it has no writable file, starts no program,\n"
        " reaches no address but the configured cameras', and tries all that at its start."
    ),
}


class Job(Struct, frozen=True, kw_only=True):
    """What is packed: one package of one version for one target, with all its files as of *epoch*."""

    package: str
    version: str
    target: Target
    epoch: int
    level: int

    @property
    def full(self) -> str:
        """Give Debian's version."""
        return f"{self.version}{self.target.mark}"

    @property
    def file(self) -> str:
        """Give the name of the .deb."""
        return f"{self.package}_{self.full}_{self.target.arch}.deb"


def build(  # noqa: PLR0913 - each by its name
    target: Target,
    out: Path,
    packages: Sequence[str] = PACKAGES,
    *,
    version: str = "",
    level: int = 6,
    own: Path | None = None,
) -> list[Path]:
    """Make *packages* for *target* into *out*; end with words when a wheel must not be released.

    *version* is the wheel's unless it is given; *level* is how hard zstd tries; *own* is our wheel, if it is
    there already.
    """
    epoch = wheels.epoch()
    own = own or wheels.own(epoch)
    version = version or own.name.split("-")[1]
    made = []
    for package in packages:
        parts = [*([own] if package == "citygate" else []), *wheels.locked(package, target)]
        if faults := [fault for one in parts for fault in inspect.faults(one)]:
            raise SystemExit("this must not be released:\n" + "\n".join(faults))
        job = Job(package=package, version=version, target=target, epoch=epoch, level=level)
        made.append(_packed(job, parts, out))
    return made


def _packed(job: Job, parts: list[Path], out: Path) -> Path:
    root = BUILD / "tree" / job.target.name / job.package
    shutil.rmtree(root, ignore_errors=True)
    root.mkdir(parents=True)
    packages = (_gateway if job.package == "citygate" else _vision)(root, job)
    for wheel in parts:
        tree.unpack(wheel, root / packages)
    _papers(root, job, [papers.part(one) for one in parts], packages)
    _control(root, job)
    _settle(root, job.epoch)
    out.mkdir(parents=True, exist_ok=True)
    path = out / job.file
    for name in ("sbom.cdx.json", "licences.txt"):  # beside the package too: who decides has not installed it
        _copy(root / "usr/share/doc" / job.package / name, path.with_suffix(f".{name}"))
    # one thread: with more, blocks and so bytes depend on the computer
    words = ["dpkg-deb", "--root-owner-group", "--threads-max=1", "-Zzstd", f"-z{job.level}", "--build"]
    environment = {**os.environ, "SOURCE_DATE_EPOCH": str(job.epoch)}
    subprocess.run([*words, str(root), str(path)], env=environment, check=True, stdout=subprocess.DEVNULL)
    return path


def _gateway(root: Path, job: Job) -> str:
    packages = tree.environment(root, PREFIX, job.target)
    # at the end of the path: nothing in there can stand in for a file of ours
    (root / packages / "plugins.pth").write_text(f"/{_PLUGINS}\n", "utf-8")
    tree.program(root, "citygate", PREFIX, "agent.cli.main")
    for folder in (_PLUGINS, "usr/bin", "etc/citygate"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    (root / "usr/bin/citygate").symlink_to(f"/{PREFIX}/bin/citygate")
    for name, place in (
        ("citygate.service", "usr/lib/systemd/system/citygate.service"),
        ("citygate.sysusers.conf", "usr/lib/sysusers.d/citygate.conf"),
        ("citygate.tmpfiles.conf", "usr/lib/tmpfiles.d/citygate.conf"),
        ("citygate-bundle.service", "usr/lib/systemd/system/citygate-bundle.service"),
        ("citygate-renew.service", "usr/lib/systemd/system/citygate-renew.service"),
        ("citygate-renew.timer", "usr/lib/systemd/system/citygate-renew.timer"),
        ("citygate.catalog", "usr/lib/systemd/catalog/citygate.catalog"),
    ):
        _copy(_UNITS / name, root / place)
    examples = root / "usr/share/doc/citygate/examples"
    for file in sorted((ROOT / "config/templates").rglob("*.toml")):
        _copy(file, examples / file.relative_to(ROOT / "config/templates"))
    for file in sorted([*(_UNITS / "drop-ins").glob("*.conf"), _UNITS / "journald@citygate.conf"]):
        _copy(file, examples / "drop-ins" / file.name)
    manual.lay(root, job.version, job.epoch)
    return packages


def _vision(root: Path, job: Job) -> str:
    home = f"{PREFIX}/vision"
    packages = tree.environment(root, home, job.target)
    beside = f"/{PREFIX}/lib/python{job.target.python}/site-packages"
    (root / packages / "citygate.pth").write_text(f"{beside}\n", "utf-8")
    tree.program(root, "citygate-vision", home, "pipelines.vision.__main__")
    for name in ("citygate-vision.service", "citygate-vision.socket"):
        _copy(_UNITS / name, root / "usr/lib/systemd/system" / name)
    return packages


def _papers(root: Path, job: Job, parts: list[papers.Part], packages: str) -> None:
    folder = root / "usr/share/doc" / job.package
    folder.mkdir(parents=True, exist_ok=True)
    bill = papers.bill(job.package, job.full, job.target.arch, parts, job.epoch)
    for name, text in (
        ("copyright", papers.copyright_file(parts, f"/{packages}")),
        ("licences.txt", papers.licences(parts)),
        ("sbom.cdx.json", bill),
    ):
        (folder / name).write_text(text, "utf-8")


def _control(root: Path, job: Job) -> None:
    files = sorted(path for path in root.rglob("*") if path.is_file() and not path.is_symlink())
    size = sum(-(-path.stat().st_size // 1024) for path in files)
    major, minor = job.target.python.split(".")
    python = f"python3 (>= {job.target.python}~), python3 (<< {major}.{int(minor) + 1})"
    depends = _DEPENDS[job.package].format(glibc=job.target.glibc, version=job.full)
    folder = root / "DEBIAN"
    folder.mkdir()
    (folder / "control").write_text(
        f"Package: {job.package}\nVersion: {job.full}\nArchitecture: {job.target.arch}\n"
        f"Maintainer: the citygate authors <citygate@localhost>\nInstalled-Size: {size}\n"
        f"Depends: {python}, {depends}\nRecommends: ca-certificates\nSection: net\nPriority: optional\n"
        f"Description: {_TEXTS[job.package]}\n",
        "utf-8",
    )
    sums = [f"{hashlib.md5(path.read_bytes()).hexdigest()}  {path.relative_to(root)}\n" for path in files]  # noqa: S324 - dpkg's format
    (folder / "md5sums").write_text("".join(sums), "utf-8")
    words = {"PREFIX": PREFIX, "VERSION": job.full, "FORM": str(FORM)}
    for script in sorted(_SCRIPTS.glob(f"{job.package}.*")):
        text = re.sub(r"@(\w+)@", lambda found: words[found[1]], script.read_text("utf-8"))
        (folder / script.suffix.removeprefix(".")).write_text(text, "utf-8")


def _settle(root: Path, epoch: int) -> None:
    """Give everything one time, and rights that do not depend on who packs."""
    for path in [root, *root.rglob("*")]:
        if not path.is_symlink():
            is_script = path.parent.name == "DEBIAN" and path.name in {
                "preinst",
                "postinst",
                "prerm",
                "postrm",
            }
            may_run = path.is_dir() or is_script or path.parent == root / PREFIX / "bin"
            path.chmod(0o755 if may_run else 0o644)
        os.utime(path, (epoch, epoch), follow_symlinks=False)


def _copy(source: Path, place: Path) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, place)
