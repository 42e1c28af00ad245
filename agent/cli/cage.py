"""Print the drop-in that opens the unit `citygate-vision` to the configured cameras, and to nothing else.

Without it the unit has no network and no device. It refuses to work when the drop-in does not fit the
configuration: print it anew when a camera gets another address.

For example:
  citygate cage | sudo tee /etc/systemd/system/citygate-vision.service.d/cameras.conf
  sudo systemctl daemon-reload
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from agent.cli import options

if TYPE_CHECKING:
    import argparse

    from agent.core.plan import Plan

_CREDENTIAL: Final = "credential:"


def add(parser: argparse.ArgumentParser) -> None:
    """Add what `citygate cage` takes."""
    options.folder(parser)


def run(args: argparse.Namespace) -> int:
    """Print it."""
    from agent.config.load import load
    from agent.core.folders import config_folder

    plan = load(args.folder)
    print(drop_in(plan, f"{config_folder()}/credentials"))
    return 0


def drop_in(plan: Plan, credentials: str) -> str:
    """Write the drop-in for the cameras of *plan*, whose secrets lie in the folder *credentials*."""
    from agent.core.driver import CanBeWatched
    from agent.core.stream import parse

    cameras = [link.driver.watched() for link in plan.links if isinstance(link.driver, CanBeWatched)]
    streams = [parse(one.source) for one in cameras]
    lines = ["# made by `citygate cage`; do not edit", "[Service]"]
    if hosts := sorted({one.host for one in streams if one.host}):
        lines += ["PrivateNetwork=no", "RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6"]
        lines += [f"IPAddressAllow={host}" for host in hosts]
    if any(one.kind == "usb" for one in streams):
        lines += ["PrivateDevices=no", "DeviceAllow=char-video4linux rw", "SupplementaryGroups=video"]
    lines += [
        f"BindReadOnlyPaths={one}" for one in sorted({one.path for one in streams if one.kind == "file"})
    ]
    secrets = {word for one in cameras for word in (one.user, one.password) if word.startswith(_CREDENTIAL)}
    for name in sorted(word.removeprefix(_CREDENTIAL) for word in secrets):
        lines.append(f"LoadCredential={name}:{credentials}/{name}")
    return "\n".join(lines)
