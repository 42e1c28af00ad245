"""The outbox that is also the ledger: one append-only table of what left, or still has to."""
