"""The messages of each encoding as they were released, in ``tests/cases/encodings``.

``python -m tests.agent.encodings.corpus NAME`` writes the file of a new encoding. A file that exists changes
only together with a decision: platforms were set up by it.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any, Final

from agent.core.message import CanBury, Loss, Message, Previous, Queue, Status
from agent.core.record import Event
from tests.agent.encodings.test_states import FIGURES, HEAD, NOON, ROUTE, made, people

CASES: Final = Path(__file__).parents[2] / "cases" / "encodings"
LID: Final = "3f9c0a1b"


def messages(kind: str) -> dict[str, list[Message]]:
    """Make one message of each kind."""
    one, product = made(kind), people()
    event = Event("door.ok", "threshold", "warning", NOON, 251.0, "1", "more than 250 people")
    loss = Loss(why="cap", epoch=42, first=900, last=931, count=32, begin=NOON - 3600, end=NOON)
    status = Status(
        state="online", lid=LID, epoch=43, policy=HEAD.policy, clock="ntp", software="0.1.0",
        queue=Queue(n=0, oldest=None, bytes=0, cap=512_000_000), routes=(("city.people", "ok"),),
    )  # fmt: skip
    start = one.start("people", HEAD, Previous(epoch=41, last=8812, clean=False))
    time = one.time("people", HEAD, 1795291200.12)
    return {
        "batch": list(one.batch(product, HEAD, FIGURES)),
        "event": list(one.batch(product, HEAD, [event])),
        "gap": [one.gap("people", HEAD, [loss])],
        "start": [start] if start else [],
        "time": [time] if time else [],
        "birth": list(one.birth(product, ROUTE, HEAD, LID)),
        "status": [one.status(status)],
        "will": [one.will(LID, 43)],
        **({"death": [one.death("people")]} if isinstance(one, CanBury) else {}),
    }


def case(kind: str) -> dict[str, Any]:
    """Give the corpus of an encoding as plain values; a body that is no text in hex."""
    return {name: [_plain(one) for one in made_of] for name, made_of in messages(kind).items()}


def _plain(message: Message) -> dict[str, Any]:
    body = {"body": message.body.decode()} if message.utf8 else {"hex": message.body.hex()}
    return {
        "topic": message.topic,
        "qos": message.qos,
        "retain": message.retain,
        "content_type": message.content_type,
        "user": [list(pair) for pair in message.user],
        **body,
    }


if __name__ == "__main__":
    for name in sys.argv[1:]:
        text = json.dumps(case(name), indent=1, ensure_ascii=False)
        (CASES / f"{name}.json").write_text(f"{text}\n", "utf-8")
