"""Writes the gateway's state as metrics: OpenMetrics over the control socket, or text in a file.

There is no port. A metric tells how the gateway does, never what it has read or counted.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any, Final, Literal

from msgspec import Struct

from agent.vitals import Surroundings

Object = Mapping[str, Any]
Labels = Mapping[str, str]
Form = Literal["openmetrics", "prometheus"]
Kind = Literal["gauge", "counter", "info"]


class Family(Struct, frozen=True):
    """One metric: its name without ``_total`` or ``_info``, and what it means."""

    name: str
    kind: Kind
    help: str


FAMILIES: Final = tuple(
    Family(f"citygate_{name}", kind, text)  # type: ignore[arg-type]  # the words below are of that kind
    for name, kind, text in (
        ("release", "info", "What runs where, under which policy."),
        ("up_seconds", "gauge", "Time since the start."),
        ("online", "gauge", "1: nothing is wrong that it knows of."),
        ("configuration_fault", "gauge", "1: a changed configuration has faults and is not in force."),
        ("clock_synchronised", "gauge", "1: the time of day can be trusted."),
        ("memory_bytes", "gauge", "Memory of the process."),
        ("lag_seconds", "gauge", "Longest delay of a second's tick in the last minute."),
        ("hanging", "gauge", "How many services do not advance."),
        ("link_up", "gauge", "1: the link runs."),
        ("link_runs", "counter", "How often the link was begun."),
        ("link_crashes", "counter", "How often it crashed by a fault of the program."),
        ("device_ok", "gauge", "1: the device answers with good values."),
        ("device_last_good_seconds", "gauge", "Age of its last good value."),
        ("device_points", "gauge", "Points of the device."),
        ("device_points_bad", "gauge", "Points of it that are bad now."),
        ("product_records", "counter", "Figures and events made since the start."),
        ("product_last_seconds", "gauge", "Time since the last of them."),
        ("recipient_connected", "gauge", "1: its broker is connected."),
        ("recipient_sent", "counter", "Messages sent since the start."),
        ("recipient_accepted", "counter", "Messages that the broker has accepted."),
        ("recipient_refused", "counter", "Messages that the broker has refused."),
        ("queue_messages", "gauge", "Messages that wait."),
        ("queue_bytes", "gauge", "Their size."),
        ("queue_oldest_seconds", "gauge", "Age of the oldest of them."),
        ("route_ok", "gauge", "1: the broker takes it."),
        ("outbox_cap_bytes", "gauge", "Largest size of the outbox."),
        ("outbox_trouble", "gauge", "1: the disk under the outbox fails."),
        ("certificate_end_timestamp_seconds", "gauge", "When the certificate ends."),
        ("disk_free_bytes", "gauge", "Free space under the outbox."),
        ("card_wear_ratio", "gauge", "Share of the card's life that is behind it."),
        ("temperature_celsius", "gauge", "Temperature of the processor."),
        ("undervoltage", "gauge", "1: the supply is too weak."),
        ("bundle_number", "gauge", "Configuration from a distance that is in force."),
        ("bundle_taken_back", "gauge", "1: the last one that was tried was taken back."),
    )
)  # fmt: skip
"""All metrics, in the order in which they are written."""

Point = tuple[str, Labels, float | None]


def form_of(word: object) -> Form:
    """Give the form that *word* names; OpenMetrics if it names none."""
    return "prometheus" if word == "prometheus" else "openmetrics"


def text(status: Object, around: Surroundings, *, form: Form) -> str:
    """Write the metrics of one ``citygate status``; what is unknown is left out."""
    found: dict[str, list[tuple[Labels, float]]] = {}
    for name, labels, value in (*_gateway(status), *_bundle(status), *_parts(status), *_around(around)):
        if value is not None:
            found.setdefault(f"citygate_{name}", []).append((labels, value))
    lines = [line for one in FAMILIES if one.name in found for line in _family(one, found[one.name], form)]
    return "\n".join([*lines, *(["# EOF"] if form == "openmetrics" else []), ""])


def _family(one: Family, points: Iterable[tuple[Labels, float]], form: Form) -> Iterator[str]:
    sample = one.name + {"gauge": "", "counter": "_total", "info": "_info"}[one.kind]
    openmetrics = form == "openmetrics"
    head = one.name if openmetrics else sample
    kind = one.kind if openmetrics or one.kind != "info" else "gauge"
    yield f"# TYPE {head} {kind}"
    yield f"# HELP {head} {one.help}"
    for labels, value in points:
        inner = ",".join(f'{name}="{_quoted(said)}"' for name, said in labels.items())
        yield f"{sample}{{{inner}}} {value:.15g}" if inner else f"{sample} {value:.15g}"


def _quoted(said: str) -> str:
    return said.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")


def _gateway(status: Object) -> Iterator[Point]:
    said = {"release": status["software"], "place": status["place"], "policy": status["policy"]}
    yield "release", said, 1.0
    yield "up_seconds", {}, status["runs_s"]
    yield "online", {}, float(status["state"] == "online")
    yield "configuration_fault", {}, float(bool(status["fault"]))
    yield "clock_synchronised", {}, float(status["clock"]["synced"])
    yield "memory_bytes", {}, status["rss_mb"] * 1e6
    yield "lag_seconds", {}, status["lag_ms"] / 1000
    yield "hanging", {}, float(len(status["hanging"]))
    yield "outbox_cap_bytes", {}, float(status["outbox"]["cap"])
    yield "outbox_trouble", {}, float(bool(status["outbox"].get("trouble")))


def _bundle(status: Object) -> Iterator[Point]:
    if (bundle := status.get("bundle")) is not None:
        yield "bundle_number", {}, bundle["number"]
        yield "bundle_taken_back", {}, float(not bundle["kept"]) if "kept" in bundle else None


def _parts(status: Object) -> Iterator[Point]:
    now = _utc(status["clock"]["utc"])
    for link in status["links"]:
        named = {"link": link["name"]}
        yield "link_up", named, float(link["state"] == "running")
        yield "link_runs", named, float(link["runs"])
        yield "link_crashes", named, float(link["crashes"])
        for device in link["devices"]:
            of = {**named, "device": device["name"]}
            yield "device_ok", of, float(device["state"] == "ok")
            yield "device_last_good_seconds", of, device["last_good_s"]
            yield "device_points", of, float(device["points"])
            yield "device_points_bad", of, float(device["points_bad"])
    for product in status["products"]:
        yield "product_records", {"product": product["name"]}, float(product["records"])
        yield "product_last_seconds", {"product": product["name"]}, product["last_s"]
    for recipient in status["recipients"]:
        yield from _recipient(recipient, now)


def _recipient(recipient: Object, now: float) -> Iterator[Point]:
    name, queue = recipient["name"], recipient["queue"]
    named = {"recipient": name}
    yield "recipient_connected", named, float(recipient["connected"])
    for what in ("sent", "accepted", "refused"):
        yield f"recipient_{what}", named, recipient["figures"].get(what)
    yield "queue_messages", named, float(queue["n"])
    yield "queue_bytes", named, float(queue["bytes"])
    yield "queue_oldest_seconds", named, max(0.0, now - _utc(queue["oldest"])) if queue["oldest"] else 0.0
    for route, word in recipient["routes"].items():
        yield "route_ok", {**named, "product": route.removeprefix(f"{name}.")}, float(word == "ok")


def _around(around: Surroundings) -> Iterator[Point]:
    for whose, name, role, end in around.ends:
        yield "certificate_end_timestamp_seconds", {whose: name, "role": role}, end
    yield "disk_free_bytes", {}, around.free
    yield "card_wear_ratio", {}, around.wear
    yield "temperature_celsius", {}, around.temperature
    yield "undervoltage", {}, None if around.undervoltage is None else float(around.undervoltage)


def _utc(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()
