"""What a BACnet point is: a property of an object, and how its value becomes a number.

It refuses names that the standard does not know, so that ``check`` says so before anything is asked.
"""

from __future__ import annotations

import re
from typing import Annotated, Final

from msgspec import Meta, field

from agent.core.driver import PointSettings
from agent.core.duration import Duration
from drivers.bacnet.names import PRESENT_VALUE
from drivers.bacnet.value import ObjectId, Ref, property_number

_Index = Annotated[int, Meta(ge=0)]
_INTEGER: Final = re.compile(r"-?\d{1,10}")


class BacnetPoint(PointSettings, kw_only=True):
    """One value of a BACnet device."""

    object: Annotated[
        str,
        Meta(description="Type and number of its object: `analog-input,1`; a vendor's types as numbers."),
    ]
    property: Annotated[str, Meta(description="Which property is the value: a name or a number.")] = (
        "present-value"
    )
    index: Annotated[_Index | None, Meta(description="Element of an array, from 1.")] = None
    scale: Annotated[float, Meta(description="Raw value times this gives the unit.")] = 1.0
    offset: Annotated[float, Meta(description="Added after scaling.")] = 0.0
    codes: Annotated[
        dict[str, float],
        Meta(description='What raw numbers stand for, such as { "2" = 1 }; others are `unknown_code`.'),
    ] = field(default_factory=dict)
    event_state: Annotated[
        bool, Meta(description="Ask for its event state too, and give the state's name as reason.")
    ] = False
    every: Annotated[
        Duration | None,
        Meta(description="Time between two reads, where it is not the device's.", extra={"least": "100ms"}),
    ] = None

    def __post_init__(self) -> None:
        self.ref()
        if not self.scale:
            raise ValueError("scale is 0, so every value would be the same")
        if wrong := [number for number in self.codes if not _INTEGER.fullmatch(number)]:
            raise ValueError(f'codes are whole numbers in quotes, not "{wrong[0]}"')

    def is_present_value(self) -> bool:
        """Say whether changes of it are told to those who subscribe to its object."""
        ref = self.ref()
        return (ref.property, ref.index) == (PRESENT_VALUE, -1)

    def ref(self) -> Ref:
        """Give what is asked for; raise ValueError where there is no such thing."""
        index = -1 if self.index is None else self.index
        return Ref(ObjectId.parse(self.object), property_number(self.property), index)
