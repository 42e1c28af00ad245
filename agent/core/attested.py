"""What a process that sees pictures has proven of its cage before it looked at one, and by which model.

A driver lays it on its desk; births tell it to whoever gets a product of that driver's points.
"""

from __future__ import annotations

from msgspec import Struct

CAGE = 1
"""Version of the list of acts that are tried, and of how each is tried; it goes up with either."""


class Attested(Struct, frozen=True, kw_only=True):
    """The cage around what sees a link's pictures: acts that it refused, and acts that worked all the same.

    ``unconfined``: a person allowed that, for development. ``sha256`` is that of ``model``, as its bundle
    says; a model that is another one is not run.
    """

    refused: tuple[str, ...]
    worked: tuple[str, ...]
    unconfined: bool
    model: str
    sha256: str
    version: int = CAGE

    def sentence(self) -> str:
        """Tell it in one line."""
        if not self.refused and not self.worked:
            return "nothing is known of it"
        held = f"{len(self.refused)} attempts to get out of it were refused"
        return (
            f"{held}, and none worked"
            if not self.worked
            else f"{held}; it has holes: {', '.join(self.worked)}"
        )
