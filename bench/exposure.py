"""How many rights our units leave their processes, beside those of programs that stand next to them.

What ``systemd-analyze security --offline=yes`` says, from 0 (none) to 10 (all). The rows for the page of the
maintainer are printed too; a test compares them with it.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from bench._report import Figure, show
from tests.systemd.rights import VARIANTS, drop_in, exposure, laid

OTHER = ", as Debian ships it"
PEERS = ("systemd-logind", "nats-server", "dbus", "mosquitto")
_SYSTEM = Path("/usr/lib/systemd/system"), Path("/lib/systemd/system")


def ours() -> list[float]:
    """Give the exposure of each variant of our units."""
    found = []
    for one in VARIANTS:
        with tempfile.TemporaryDirectory() as name:
            root = laid(Path(name))
            for given in one.drop_ins:
                drop_in(root, f"{given}.conf", one.unit)
            found.append(exposure(root, one.unit))
    return found


def peers() -> dict[str, float]:
    """Give the exposure of those peers that are installed here, as Debian ships them."""
    units = [one for one in PEERS if any((place / f"{one}.service").is_file() for place in _SYSTEM)]
    return {one: exposure(Path("/"), f"{one}.service") for one in units}


def rows() -> list[str]:
    """Write the rows of the page: ours, and below them those of others that are here."""
    mine = (f"| {one.what} | {found} | {one.most} |" for one, found in zip(VARIANTS, ours(), strict=True))
    theirs = (f"| {name}{OTHER} | {found} | |" for name, found in peers().items())
    return [*mine, *theirs]


def main() -> None:
    """Measure and tell."""
    mine, theirs = ours(), peers()
    print("\n".join(["| unit | exposure | bar |", "|---|---|---|", *rows(), ""]))
    against, floor = next(reversed(theirs.items()), ("the most there is", 10.0))
    show(
        [
            Figure(
                name=f"exposure.{one.unit.removesuffix('.service')}{''.join(f'+{x}' for x in one.drop_ins)}",
                what=one.what, value=found, unit="of 10", against=against, floor=floor, aim=one.most,
            )
            for one, found in zip(VARIANTS, mine, strict=True)
        ]
    )  # fmt: skip


if __name__ == "__main__":
    main()
