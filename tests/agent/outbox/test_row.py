"""What a message weighs while it waits."""

from __future__ import annotations

from agent.core.message import Message
from agent.outbox.row import Draft


def test_a_message_counts_with_its_body_its_topic_and_what_stands_beside_them() -> None:
    message = Message(topic="plain/energy", body=b"12345", kind="batch")
    draft = Draft(route=1, epoch=1, seq=1, message=message, policy="p", made=0.0, boot=0.0, expires=None)
    assert draft.size == 5 + 12 + 250
