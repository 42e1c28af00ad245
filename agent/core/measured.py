"""How right a count was found to be by a person who counted the same: its published uncertainty."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from agent.core.settings import Settings

Share = Annotated[float, Meta(ge=0, le=1)]


class Measured(Settings):
    """The result of `citygate validate` for one line, of all its classes and both directions together."""

    accuracy: Annotated[Share, Meta(description="One minus the differences over all passages.")]
    low: Annotated[Share, Meta(description="Where it lies at least, in 95 of 100 cases.")]
    high: Annotated[Share, Meta(description="Where it lies at most, in 95 of 100 cases.")]
    passages: Annotated[int, Meta(description="How many a person counted; fewer say nothing.", ge=20)]
    on: Annotated[str, Meta(description="The day.", pattern=r"^\d{4}-\d\d-\d\d$")]
    of: Annotated[
        str, Meta(description="Which drawing and model it is about; another one has to be measured anew.")
    ]

    def __post_init__(self) -> None:
        if not self.low <= self.high:
            raise ValueError('"low" lies above "high"')
