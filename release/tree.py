"""Lays wheels out as a virtual environment for another computer, without running anything of it."""

from __future__ import annotations

import shutil
from pathlib import Path, PurePosixPath
from zipfile import ZipFile

from release.targets import PREFIX, Target

# -P: nothing that lies in the folder where a command happens to be called is imported; -s: nor from a home
_PROGRAM = """\
#!{python} -sP
import sys

from {module} import main

sys.exit(main())
"""


def environment(root: Path, home: str, target: Target) -> str:
    """Make the empty environment *home* (such as ``opt/citygate``) below *root*; give its site-packages."""
    binaries = root / home / "bin"
    binaries.mkdir(parents=True, exist_ok=True)
    (binaries / "python3").symlink_to(f"/usr/bin/python{target.python}")
    (root / home / "pyvenv.cfg").write_text(
        f"home = /usr/bin\ninclude-system-site-packages = false\nversion = {target.python}.0\n", "utf-8"
    )
    packages = f"{home}/lib/python{target.python}/site-packages"
    (root / packages).mkdir(parents=True)
    return packages


def program(root: Path, name: str, home: str, module: str) -> None:
    """Write the command *name*, which runs ``main`` of *module* in the environment *home*."""
    path = root / PREFIX / "bin" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(_PROGRAM.format(python=f"/{home}/bin/python3", module=module), "utf-8")
    path.chmod(0o755)


def unpack(wheel: Path, packages: Path) -> None:
    """Lay out *wheel*; its scripts stay out, our commands are the only ones."""
    with ZipFile(wheel) as archive:
        for info in archive.infolist():
            if info.is_dir() or (place := _place(PurePosixPath(info.filename))) is None:
                continue
            path = packages / place
            path.parent.mkdir(parents=True, exist_ok=True)
            with archive.open(info) as source, path.open("wb") as out:
                shutil.copyfileobj(source, out, 1 << 20)


def _place(name: PurePosixPath) -> PurePosixPath | None:
    """Give where a file of a wheel belongs (PEP 427: NAME.data/SCHEME/...); None: nowhere."""
    if name.is_absolute() or ".." in name.parts:
        raise SystemExit(f"a wheel names {name}, which is outside")
    if not name.parts[0].endswith(".data"):
        return name
    return PurePosixPath(*name.parts[2:]) if name.parts[1] in {"purelib", "platlib"} else None
