"""All looks of the doctor, in the order in which people want them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Final

from agent.doctor import machine, service
from agent.doctor.facts import Facts
from agent.doctor.finding import Finding

Look = Callable[[Facts], Iterator[Finding]]

LOOKS: Final[Sequence[Look]] = (
    service.gateway,
    machine.clock,
    service.names,
    service.certificates,
    service.ports,
    service.devices,
    service.files,
    machine.disk,
    machine.body,
    machine.kernel,
    machine.swap,
    service.models,
    service.privacy,
    service.versions,
)


def examine(facts: Facts) -> list[Finding]:
    """Give every finding."""
    return [finding for look in LOOKS for finding in look(facts)]
