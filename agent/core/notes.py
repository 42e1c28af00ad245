"""What a driver found out and need not find out again: small JSON documents by key.

Only for what can be learnt anew at a price; nothing here may be missed.
"""

from __future__ import annotations

from typing import Any


class Notes:
    """Documents that are gone with the process; those of the gateway outlive it."""

    def __init__(self) -> None:
        self._documents: dict[str, Any] = {}

    def get(self, key: str) -> Any:  # noqa: ANN401 - plain JSON values, the driver's own affair
        """Give the document called *key*; None: there is none."""
        return self._documents.get(key)

    def put(self, key: str, document: object) -> None:
        """Keep *document*, plain JSON values; None: keep it no longer."""
        self._documents.pop(key, None)
        if document is not None:
            self._documents[key] = document
