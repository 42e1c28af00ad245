"""What is known of a device and its objects before they are points: told by themselves, or by a file."""

from __future__ import annotations

from msgspec import Struct


class ObjectFacts(Struct, frozen=True, kw_only=True):
    """An object of a device.

    ``type`` is a word of `names.OBJECT_TYPES`, or a vendor's number; ``unit`` a number of `units.UNITS`;
    ``states`` the texts of its states: inactive and active, or of 1 and upward; ``scale`` what a count of
    an accumulator stands for. ``alarms`` (whether it watches itself), ``settable``
    (whether others may command it) and ``cov`` (whether it tells changes) are None when nobody says.
    """

    type: str
    instance: int
    name: str = ""
    description: str = ""
    unit: int | None = None
    states: tuple[str, ...] = ()
    minimum: float | None = None
    maximum: float | None = None
    scale: float | None = None
    alarms: bool | None = None
    settable: bool | None = None
    cov: bool | None = None

    @property
    def id(self) -> str:
        """How it is addressed: ``analog-input,1``."""
        return f"{self.type},{self.instance}"


class DeviceFacts(Struct, frozen=True, kw_only=True):
    """A device with what was learnt of its objects; ``address`` is empty when only a file tells of it."""

    instance: int
    address: str = ""
    name: str = ""
    vendor: str = ""
    model: str = ""
    objects: tuple[ObjectFacts, ...] = ()
