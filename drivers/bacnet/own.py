"""The device that others see of us: it can be asked who it is, and nothing else.

Pure. It has one object, itself, and no property of it can be changed.
"""

from __future__ import annotations

import hashlib
from typing import Final

from msgspec import Struct

from drivers.bacnet.apdu import ANY_INSTANCE, MAX_APDU, SEGMENTS, Confirmed, Unconfirmed
from drivers.bacnet.names import DEVICE, OBJECT_TYPES, PROPERTIES
from drivers.bacnet.tags import (
    GarbledError,
    application,
    closing,
    context,
    expect,
    object_id,
    opening,
    packed,
    packed_bits,
    packed_object,
    packed_text,
    peek,
    unsigned,
)
from drivers.bacnet.value import ObjectId

_UNASSIGNED: Final = 0xFFFF  # as vendor: none
_LOWEST, _SPAN = 4_000_000, 194_000
_SERVICES: Final = {1, 12, 28, 34}  # notifications in both forms, ReadProperty, Who-Is
_SERVICE_BITS: Final = 41
_RECEIVES_SEGMENTS: Final = 2
_REJECT_GARBLED: Final = 4
_UNKNOWN_OBJECT, _UNKNOWN_PROPERTY, _INVALID_INDEX, _NO_ARRAY = (1, 31), (2, 32), (2, 42), (2, 50)
_ARRAYS: Final = {PROPERTIES["object-list"], PROPERTIES["property-list"]}


class OwnDevice(Struct, frozen=True):
    """Our device object."""

    instance: int
    name: str
    timeout: float
    software: str = "citygate"

    def i_am(self) -> bytes:
        """Write our I-Am."""
        return bytes((0x10, Unconfirmed.I_AM)) + b"".join(
            (
                application(12, packed_object(self._id)),
                application(2, packed(MAX_APDU)),
                application(9, bytes((_RECEIVES_SEGMENTS,))),
                application(2, packed(_UNASSIGNED)),
            )
        )

    def answer(self, invoke: int, data: bytes) -> bytes:
        """Answer a ReadProperty: with the value, an error, or a reject."""
        try:
            found = expect(data, 0, 0)
            wanted = expect(data, found.end, 1)
            asked, number = object_id(data, found), unsigned(data, wanted)
            element = peek(data, wanted.end, 2)
            index = unsigned(data, element) if element else -1
        except GarbledError:
            return bytes((0x60, invoke, _REJECT_GARBLED))
        if asked not in (self._id, ObjectId(DEVICE, ANY_INSTANCE)):
            return refusal(invoke, Confirmed.READ_PROPERTY, *_UNKNOWN_OBJECT)
        parts = self._properties().get(number)
        if parts is None:
            return refusal(invoke, Confirmed.READ_PROPERTY, *_UNKNOWN_PROPERTY)
        if index >= 0:
            if number not in _ARRAYS:
                return refusal(invoke, Confirmed.READ_PROPERTY, *_NO_ARRAY)
            if index > len(parts):
                return refusal(invoke, Confirmed.READ_PROPERTY, *_INVALID_INDEX)
            parts = [parts[index - 1]] if index else [application(2, packed(len(parts)))]
        place = b"" if index < 0 else context(2, packed(index))
        head = bytes((0x30, invoke, Confirmed.READ_PROPERTY)) + context(0, packed_object(self._id))
        return head + context(1, packed(number)) + place + opening(3) + b"".join(parts) + closing(3)

    @property
    def _id(self) -> ObjectId:
        return ObjectId(DEVICE, self.instance)

    def _properties(self) -> dict[int, list[bytes]]:
        """Write each property; arrays element by element."""
        known = {
            "object-identifier": application(12, packed_object(self._id)),
            "object-name": application(7, packed_text(self.name)),
            "object-type": application(9, bytes((DEVICE,))),
            "system-status": application(9, b"\0"),
            "vendor-name": application(7, packed_text("citygate")),
            "vendor-identifier": application(2, packed(_UNASSIGNED)),
            "model-name": application(7, packed_text("citygate")),
            "firmware-revision": application(7, packed_text(self.software)),
            "application-software-version": application(7, packed_text(self.software)),
            "protocol-version": application(2, b"\1"),
            "protocol-revision": application(2, b"\x0e"),
            "protocol-services-supported": application(
                8, packed_bits(one in _SERVICES for one in range(_SERVICE_BITS))
            ),
            "protocol-object-types-supported": application(
                8, packed_bits(one == DEVICE for one in range(len(OBJECT_TYPES)))
            ),
            "max-apdu-length-accepted": application(2, packed(MAX_APDU)),
            "segmentation-supported": application(9, bytes((_RECEIVES_SEGMENTS,))),
            "max-segments-accepted": application(2, packed(SEGMENTS)),
            "apdu-timeout": application(2, packed(round(1000 * self.timeout))),
            "apdu-segment-timeout": application(2, packed(round(1000 * self.timeout))),
            "number-of-apdu-retries": application(2, b"\1"),
            "database-revision": application(2, b"\1"),
        }
        found = {PROPERTIES[name]: [value] for name, value in known.items()}
        found[PROPERTIES["device-address-binding"]] = []
        found[PROPERTIES["object-list"]] = [application(12, packed_object(self._id))]
        listed = [number for number in found if PROPERTIES["object-type"] != number]
        found[PROPERTIES["property-list"]] = [application(9, packed(number)) for number in listed]
        return found


def refusal(invoke: int, service: Confirmed, error_class: int, code: int) -> bytes:
    """Write an error."""
    what = application(9, packed(error_class)) + application(9, packed(code))
    return bytes((0x50, invoke, service)) + what


def derived(seed: str) -> int:
    """Derive a device instance that stays the same and is hardly anybody else's: above four million."""
    digest = hashlib.sha256(seed.encode()).digest()
    return _LOWEST + int.from_bytes(digest[:8], "big") % _SPAN
