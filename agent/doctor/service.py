"""Judges the gateway and what it needs: files, network, links, models. Pure: facts in, findings out."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Final

from agent.doctor.facts import Certificate, Facts
from agent.doctor.finding import Finding, notice, well, wrong

_DAY: Final = 86400.0
_SOON: Final = 30 * _DAY
_TOO_MUCH: Final = 0.3
_PUT: Final = "put it in place: of root and the group citygate, mode 0640"


def gateway(facts: Facts) -> Iterator[Finding]:
    """Look at configuration and daemon."""
    if facts.config_fault:
        first = facts.config_fault.splitlines()[0]
        yield wrong("configuration", f"it has faults: {first}", "`citygate check` shows them all")
    elif told := facts.config_warnings:
        more = f", and {len(told) - 1} more" if len(told) > 1 else ""
        text = f"it has no faults, but check warns: {told[0]}{more}"
        yield notice("configuration", text, "`citygate check` shows all warnings, and where")
    else:
        yield well("configuration", "it has no faults")
    if not facts.running:
        yield wrong("gateway", "none runs here", "systemctl start citygate; journalctl -u citygate -n 50")
        return
    status = facts.status or {}
    software = status.get("software", facts.release)
    if facts.status is None:
        act = "journalctl -u citygate -n 50; then systemctl restart citygate"
        yield wrong("gateway", "one runs, and does not answer", act)
    elif software != facts.release:
        says = f"release {software} runs, and {facts.release} is installed"
        yield notice("gateway", says, "systemctl restart citygate when it suits")
    else:
        yield well("gateway", str(status.get("sentence", "it runs")))
    if facts.runs_as_root:
        act = "run it as the service that ships with it: systemd/citygate.service"
        yield wrong("gateway", "it runs as root", act)
    if facts.seccomp_filter is False:
        act = "run it as the service that ships with it: systemd/citygate.service"
        yield notice("gateway", "its system calls are not filtered", act)


def ports(facts: Facts) -> Iterator[Finding]:
    """Look who could talk to the gateway, and whether the ports are free that links need."""
    needed = {one.number for one in facts.ports}
    odd = [
        one
        for one in facts.listeners
        if not (one.kind == "udp" and int(one.local.rpartition(":")[2]) in needed)
    ]
    for one in odd:
        says = f"the gateway listens on {one.kind} {one.local}, which no link needs"
        yield wrong("ports", says, "this must not be: report it, see SECURITY.md")
    for port in facts.ports:
        if port.taken:
            says = f"UDP port {port.number} of link {port.link} is used by another program"
            yield wrong("ports", says, f"`ss -lunp sport = :{port.number}` names it; two cannot share it")
    if not odd and not any(one.taken for one in facts.ports):
        said = ", ".join(f"UDP {one.number} for {one.link}" for one in facts.ports)
        yield well("ports", f"the gateway listens on nothing but {said}" if said else "nothing listens")


def names(facts: Facts) -> Iterator[Finding]:
    """Look whether DNS knows the brokers, or the proxies before them."""
    for one in facts.lookups:
        if one.trouble:
            act = f"`getent hosts {one.host}`; is a name server set, and allowed by the IP filter?"
            yield wrong("names", f"no address is known for {one.host}: {one.trouble}", act)
    known = [one.host for one in facts.lookups if not one.trouble]
    if known:
        yield well("names", f"DNS knows {', '.join(known)}")


def certificates(facts: Facts) -> Iterator[Finding]:
    """Look how long the certificates still live."""
    for one in facts.certificates:
        yield _certificate(one, facts.now)


def _certificate(one: Certificate, now: float) -> Finding:
    what = f"the {one.role} of {one.whose} ({one.path})"
    if one.trouble:
        return wrong("certificates", f"{what} cannot be used: {one.trouble}", _PUT)
    end = datetime.fromtimestamp(one.end, UTC)
    if now < one.begin:
        begin = datetime.fromtimestamp(one.begin, UTC)
        act = "if the clock is wrong, see to it first: `timedatectl`; else wait, or take the right file"
        return wrong("certificates", f"{what} is valid from {begin:%Y-%m-%d} on, not yet", act)
    if now > one.end:
        act = "renew it and reload; if the clock is wrong, see to that first"
        return wrong("certificates", f"{what} has expired on {end:%Y-%m-%d}", act)
    days = (one.end - now) / _DAY
    if one.end - now < _SOON:
        return notice("certificates", f"{what} expires in {days:.0f} days", "renew it, then reload")
    return well("certificates", f"{what} is valid until {end:%Y-%m-%d}")


def files(facts: Facts) -> Iterator[Finding]:
    """Look who can read and change what he must not."""
    for path in facts.open_credentials:
        yield wrong("permissions", f"everybody can read the credential {path}", f"chmod 640 {path}")
    for path in facts.open_files:
        yield wrong("permissions", f"everybody can change {path}", f"chmod o-w {path}")
    if not facts.open_credentials and not facts.open_files:
        yield well("permissions", "others can neither read credentials nor change the configuration")


def devices(facts: Facts) -> Iterator[Finding]:
    """Look at the device files that links need."""
    for one in facts.wants:
        if not one.exists:
            says = f"{one.path} of link {one.link} is not there"
            yield wrong("devices", says, "is the adapter plugged in? ls -l /dev/serial/by-id /dev/video*")
        elif not one.allowed:
            says = f"the gateway's user may not open {one.path}: it is of group {one.group}"
            act = (
                f"add SupplementaryGroups={one.group} and DeviceAllow={one.path} rw to a drop-in of the unit"
            )
            yield wrong("devices", says, act)
        else:
            yield well("devices", f"{one.path} is there for link {one.link}")


def models(facts: Facts) -> Iterator[Finding]:
    """Look at camera models, and whether their runtime has told anybody of itself."""
    for path in facts.missing_models:
        act = "`citygate model list`, then `citygate model add`"
        yield wrong("models", f"{path} is not installed, so its cameras are not counted", act)
    for path in facts.telemetry:
        says = f"ONNX Runtime has kept an identity for telemetry at {path}: it was loaded without its switch"
        act = (
            "remove that folder; citygate always sets ORT_DISABLE_TELEMETRY=1, so find out what else loads it"
        )
        yield wrong("telemetry", says, act)
    if not facts.telemetry:
        yield well("telemetry", "ONNX Runtime has left no trace of telemetry")


def privacy(facts: Facts) -> Iterator[Finding]:
    """Look whether a product's privacy mode leaves anything to publish."""
    for one in (facts.status or {}).get("products", ()):
        if (one.get("withheld") or 0.0) > _TOO_MUCH:
            says = f"{one['withheld']:.0%} of the figures of {one['name']} by day are withheld"
            act = "a longer window or mode hold would tell more: `citygate utility` shows how much"
            yield notice("privacy", says, act)


def versions(facts: Facts) -> Iterator[Finding]:
    """Tell what is installed."""
    yield well("versions", ", ".join(f"{name} {number}" for name, number in facts.versions))
