"""Checks what a recipient may ask of the gateway: only where its encoding can be asked, each verb once."""

from __future__ import annotations

from agent.config import tables
from agent.config.brokers import Broker, is_loopback
from agent.config.draft import Draft
from agent.config.spans import Path
from agent.core.command import CanObey
from agent.registry import kinds, plugin


def check_commands(
    draft: Draft, path: Path, written: tables.Recipient, broker: Broker, encoding: str
) -> None:
    """Note faults and warnings of ``commands``."""
    if not written.commands or not encoding:
        return
    if not issubclass(plugin("encoding", encoding), CanObey):
        able = [one for one in kinds("encoding") if issubclass(plugin("encoding", one), CanObey)]
        message = f'encoding "{encoding}" has no commands'
        draft.fault((*path, "commands"), message, f"leave it out; {' and '.join(able)} has some")
    for index, verb in enumerate(written.commands):
        if verb in written.commands[:index]:
            draft.fault((*path, "commands", index), f'"{verb}" stands here twice')
    if not broker.is_encrypted and not is_loopback(broker.host):
        text = "commands cross the network unencrypted: whoever is on the way can write one; use mqtts://"
        draft.warn((*path, "commands"), text)
