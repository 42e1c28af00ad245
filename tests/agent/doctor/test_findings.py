"""Each thing that can be wrong is found, and each finding says what to do."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from msgspec.structs import replace

from agent.doctor.examine import examine
from agent.doctor.facts import Certificate, Facts, Listener, Lookup, Port, Want
from agent.doctor.finding import Finding

NOW = datetime(2026, 11, 28, tzinfo=UTC).timestamp()
DAY = 86400.0
WELL = Facts(
    now=NOW,
    release="0.1.0",
    running=True,
    status={"software": "0.1.0", "sentence": "polling 1/1 devices"},
    seccomp_filter=True,
    kernel="6.12.34",
    free=8e9,
    size=16e9,
    cap=512e6,
    used=1e6,
    wear=0.1,
    temperature=48.0,
    undervoltage=False,
    memory=(1e9, 5e8),
    built=NOW - 90 * DAY,
    lookups=(Lookup("broker.vaasa.example", ""),),
    certificates=(
        Certificate(whose="city", role="authority", path="/etc/ca.pem", begin=0.0, end=NOW + 900 * DAY),
    ),
    wants=(Want(link="bus", path="/dev/ttyUSB0", exists=True, group="dialout"),),
    ports=(Port(link="bms", number=47808, taken=False),),
    listeners=(Listener("udp", "10.20.0.2:47808"),),
    versions=(("citygate", "0.1.0"),),
)


def certificate(**changes: Any) -> tuple[Certificate, ...]:  # noqa: ANN401 - any field
    return (replace(WELL.certificates[0], **changes),)


def test_of_a_good_gateway_nothing_is_wrong() -> None:
    found = examine(WELL)
    assert {one.verdict for one in found} == {"well"}
    assert {one.act for one in found} == {""}


CASES: list[tuple[dict[str, Any], str, str, str]] = [
    ({"config_fault": "site.toml:1:1: no\nmore"}, "wrong", "it has faults: site.toml:1:1: no", "check"),
    ({"config_warnings": ("a:1:1: b", "c")}, "notice", "but check warns: a:1:1: b, and 1 more", "check"),
    ({"running": False}, "wrong", "none runs here", "systemctl start"),
    ({"status": None}, "wrong", "one runs, and does not answer", "systemctl restart citygate"),
    ({"status": {"software": "0.0.9"}}, "notice", "release 0.0.9 runs, and 0.1.0", "systemctl restart"),
    (
        {"status": {"products": [{"name": "flow", "withheld": 0.5}]}},
        "notice", "50% of the figures of flow by day", "citygate utility",
    ),
    ({"runs_as_root": True}, "wrong", "it runs as root", "citygate.service"),
    ({"seccomp_filter": False}, "notice", "its system calls are not filtered", "citygate.service"),
    ({"listeners": (Listener("tcp", "0.0.0.0:80"),)}, "wrong", "listens on tcp 0.0.0.0:80", "SECURITY"),
    ({"listeners": (Listener("udp", "0.0.0.0:9"),)}, "wrong", "listens on udp 0.0.0.0:9", "SECURITY"),
    ({"ports": (Port(link="bms", number=47808, taken=True),)}, "wrong", "47808 of link bms is used", "ss -l"),
    ({"lookups": (Lookup("b.example", "no answer"),)}, "wrong", "known for b.example: no answer", "getent"),
    ({"certificates": certificate(trouble="missing")}, "wrong", "cannot be used: missing", "mode 0640"),
    ({"certificates": certificate(end=NOW - DAY)}, "wrong", "has expired on 2026-11-27", "renew"),
    ({"certificates": certificate(end=NOW + 9 * DAY)}, "notice", "expires in 9 days", "renew"),
    ({"certificates": certificate(begin=NOW + DAY)}, "wrong", "valid from 2026-11-29 on, not yet", "clock"),
    ({"open_credentials": ("/etc/x",)}, "wrong", "everybody can read the credential /etc/x", "chmod 640"),
    ({"open_files": ("/etc/site.toml",)}, "wrong", "everybody can change /etc/site.toml", "chmod o-w"),
    ({"wants": (Want(link="bus", path="/dev/t", exists=False),)}, "wrong", "/dev/t of link bus", "plugged"),
    (
        {"wants": (Want(link="bus", path="/dev/t", exists=True, group="dialout", allowed=False),)},
        "wrong", "may not open /dev/t: it is of group dialout", "SupplementaryGroups=dialout",
    ),
    ({"missing_models": ("/m/x.citymodel",)}, "wrong", "/m/x.citymodel is not installed", "model add"),
    ({"telemetry": ("/srv/.cache/x",)}, "wrong", "identity for telemetry at /srv/.cache/x", "remove"),
    ({"has_seccomp": False}, "wrong", "does not filter system calls", "CONFIG_SECCOMP_FILTER"),
    ({"has_landlock": False}, "notice", "no Landlock", "nothing has to be done"),
    ({"controllers": ("cpu",)}, "notice", "the memory controller is off", "cgroup_enable=memory"),
    ({"controllers": None}, "notice", "control groups (v2) are not there", "unified"),
    ({"swaps": ("/var/swap",)}, "notice", "memory may be written to /var/swap", "swapoff"),
    ({"read_only": True}, "wrong", "is read-only", "replace it"),
    ({"file_errors": 3}, "wrong", "has counted 3 errors", "fsck"),
    ({"free": 5e6}, "wrong", "5 MB are free", "vacuum"),
    ({"free": 2e8}, "notice", "may still grow by 511 MB", "[outbox] cap"),
    ({"free": None}, "notice", "is not there yet", "starts first"),
    ({"wear": 0.9}, "notice", "90% of its life", "plan"),
    ({"wear": 1.1}, "wrong", "beyond the life", "replace it soon"),
    ({"undervoltage": True}, "wrong", "undervoltage", "power supply"),
    ({"temperature": 84.0}, "wrong", "84 degrees", "heat sink"),
    ({"memory": (1e9, 5e7)}, "wrong", "50 of 1000 MB", "who takes it"),
    ({"synced": False}, "wrong", "is not synchronised", "timedatectl"),
    ({"now": 1000.0, "certificates": ()}, "wrong", "before this release was made", "not valid yet"),
    ({"has_rtc": False}, "notice", "no battery-backed clock", "samples are kept"),
]  # fmt: skip


@pytest.mark.parametrize(("changes", "verdict", "says", "act"), CASES, ids=[one[2] for one in CASES])
def test_what_is_wrong_is_found_alone_and_says_what_to_do(
    changes: dict[str, Any], verdict: str, says: str, act: str
) -> None:
    found: list[Finding] = [one for one in examine(replace(WELL, **changes)) if one.verdict != "well"]
    [one] = found
    assert one.verdict == verdict
    assert says in one.says
    assert act in one.act


@pytest.mark.parametrize("withheld", [None, 0.3])
def test_few_figures_and_few_that_are_withheld_are_no_finding(withheld: float | None) -> None:
    found = examine(replace(WELL, status={"products": [{"name": "flow", "withheld": withheld}]}))
    assert "privacy" not in {one.what for one in found}


def test_a_disk_that_does_not_tell_its_wear_is_no_trouble() -> None:
    found = examine(replace(WELL, wear=None, temperature=None, undervoltage=None, memory=None))
    assert {one.verdict for one in found} == {"well"}
