"""Whoever alters the record of what left is found out: the altered or missing row is named.

In copies of the site's ledger (of a made-up one where it is empty or large) one bit of a row's topic, its
time or its policy is turned, or a row is taken out. Each copy must fail verification, and the row be named.
The site's own ledger is verified too. Who is root can write the whole chain anew: only what the city itself
kept tells that, with `citygate ledger match`.
"""

from __future__ import annotations

from typing import Final

from agent.prove.books import ledgers, own_faults, spoiled
from agent.prove.outcome import Outcome, judged
from agent.prove.scene import Scene

_CHANGES: Final = {
    "topic": "UPDATE row SET topic = substr(topic, 1, length(topic) - 1) || '~' WHERE id = ?",
    "time": "UPDATE row SET made = made + 1.0 / 1024 WHERE id = ?",
    "policy": "UPDATE row SET policy = '0' || substr(policy, 2) || '~' WHERE id = ?",
    "absence": "DELETE FROM row WHERE id = ?",
}


def prove(scene: Scene) -> Outcome:
    """Alter rows in copies of a ledger."""
    book = ledgers(scene)
    faults = own_faults(scene)
    for what, change in _CHANGES.items():
        number, verdict = spoiled(book, scene, change)
        if not any(str(number) in one for one in verdict.faults):
            faults.append(f"The {what} of row {number} was altered in a copy, and nothing told.")
    return judged(faults, f"{len(_CHANGES)} alterations were made in copies of {book.what}; each was named.")
