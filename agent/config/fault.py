"""One fault of a configuration: what is wrong, and where a person must look."""

from __future__ import annotations

from msgspec import Struct

from agent.config.sources import Source
from agent.config.spans import Path, Span


class Fault(Struct, frozen=True):
    """One thing that a person has to change.

    ``path`` leads to the spot within *source*; ``span`` overrides it where there is no path, as in text that
    is no TOML. ``at_key`` puts the mark under the key rather than under the value.
    """

    source: Source
    path: Path
    message: str
    hint: str = ""
    at_key: bool = False
    span: Span | None = None

    def spot(self) -> Span | None:
        """Give the place of the mark: that of the path, or of the nearest table around it."""
        if self.span is not None:
            return self.span
        path, at_key = self.path, self.at_key
        while path:
            if place := self.source.places.get(path):
                return place.key if at_key else place.value
            path, at_key = path[:-1], True
        return None
