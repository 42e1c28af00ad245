"""Judges a gateway under a new configuration by what it was before. Pure: reports in, a sentence out."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

Object = Mapping[str, Any]


def well(status: Object) -> frozenset[str]:
    """Name what does well in one ``citygate status``: devices that answer, brokers that are connected."""
    devices = {
        f"device {one['name']}" for link in status["links"] for one in link["devices"] if one["state"] == "ok"
    }
    return frozenset(
        devices | {f"recipient {one['name']}" for one in status["recipients"] if one["connected"]}
    )


def named(status: Object) -> frozenset[str]:
    """Name the devices and recipients that the configuration in force has."""
    devices = {f"device {one['name']}" for link in status["links"] for one in link["devices"]}
    return frozenset(devices | {f"recipient {one['name']}" for one in status["recipients"]})


def objection(status: Object | None, before: Collection[str], applied: str) -> str:
    """Say what is not well under the new configuration; empty when it may be kept.

    *before* is what was well, *applied* the UTC text before which no configuration counts as the new one.
    What did not do well before need not do so now, and what is gone from the files is not missed.
    """
    if status is None:
        return "the gateway does not answer"
    return next(_objections(status, before, applied), "")


def _objections(status: Object, before: Collection[str], applied: str) -> Iterator[str]:
    if status["fault"]:
        yield f"the gateway refuses it: {status['fault'].splitlines()[0]}"
    if status["loaded"] < applied:
        yield "the gateway has not read it yet"
    yield from (f"{one} hangs" for one in status["hanging"])
    if trouble := status["outbox"].get("trouble"):
        yield f"the outbox is in trouble: {trouble}"
    if status["clock"]["waiting"]:
        yield "windows still wait for the clock"
    for one in sorted((frozenset(before) & named(status)) - well(status)):
        yield f"{one} did well before, and does not now"
    devices = [one for link in status["links"] for one in link["devices"]]
    if devices and not any(one["state"] == "ok" for one in devices):
        yield "no device answers"
