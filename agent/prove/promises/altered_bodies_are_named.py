"""What the record says has left is what has left: a message whose body was altered in it is named.

In a copy of the site's ledger (of a made-up one where it is empty or large) one bit of a message's body is
turned. The copy must fail verification, and the row be named.
"""

from __future__ import annotations

from typing import Final

from agent.prove.books import ledgers, spoiled
from agent.prove.outcome import Outcome, judged
from agent.prove.scene import Scene

# the last byte of a body becomes another one; a body is not empty
_CHANGE: Final = """
UPDATE row SET body = CAST(substr(body, 1, length(body) - 1) ||
    CASE WHEN substr(body, -1) = x'20' THEN x'21' ELSE x'20' END AS BLOB)
WHERE id = ?"""


def prove(scene: Scene) -> Outcome:
    """Alter a body in a copy of a ledger."""
    book = ledgers(scene)
    number, verdict = spoiled(book, scene, _CHANGE)
    is_named = any(f"row {number} " in one and "body" in one for one in verdict.faults)
    faults = (
        [] if is_named else [f"A bit of the body of row {number} was turned in a copy, and nothing told."]
    )
    return judged(
        faults, f"The body of row {number} was altered in a copy of {book.what}; the row was named."
    )
