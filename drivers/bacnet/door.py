"""What others may ask of us or tell us, and the refusal of everything else.

Pure but for its two counters. On the list: Who-Is, I-Am, ReadProperty of our own device, and notifications
of changed values to subscriptions that we made. There is no code behind any other service; who asks for one
is told so, not faster than is good for both.
"""

from __future__ import annotations

from collections.abc import Container
from typing import Final, TypeAlias

from agent.core.clock import Clock
from drivers.bacnet import apdu
from drivers.bacnet.apdu import Confirmed, Unconfirmed
from drivers.bacnet.frames import Frame
from drivers.bacnet.own import OwnDevice, refusal
from drivers.bacnet.peer import Peer
from drivers.bacnet.stack import Heard, IAm
from drivers.bacnet.tags import GarbledError
from drivers.bacnet.turns import Bucket
from drivers.bacnet.value import ObjectId

Key: TypeAlias = tuple[Peer, int, ObjectId]
"""What tells one subscription from another: whose, our process number, and the object."""

_PER_SECOND: Final = 20.0
_AT_ONCE: Final = 60
_SEGMENTED: Final = 0x08
_ABORT_SEGMENTS: Final = 4
_REJECT_GARBLED: Final = 4
_REJECT_SERVICE: Final = 9
_UNKNOWN_SUBSCRIPTION: Final = (5, 79)


class Door:
    """Answers requests, and says what was heard."""

    def __init__(self, own: OwnDevice, subscribed: Container[Key], clock: Clock) -> None:
        self._own, self._subscribed = own, subscribed
        self._places = Bucket(clock, _PER_SECOND, _AT_ONCE)
        self.refused = 0
        self.rival: Peer | None = None
        """A device that calls itself by our instance."""

    def confirmed(self, frame: Frame) -> tuple[bytes | None, Heard | None]:
        """Take a request that wants an answer: give the answer, and what was heard by it."""
        message = frame.data
        if not frame.alone or len(message) < 4:
            return None, None  # such requests to everybody do not exist
        invoke, service, data = message[2], message[3], message[4:]
        if message[0] & _SEGMENTED:
            return (bytes((0x71, invoke, _ABORT_SEGMENTS)) if self._places.may() else None), None
        if service == Confirmed.COV_NOTIFICATION:
            return self._notified(frame, invoke, data)
        if not self._places.may():
            return None, None
        if service == Confirmed.READ_PROPERTY:
            return self._own.answer(invoke, data), None
        self.refused += 1
        return bytes((0x60, invoke, _REJECT_SERVICE)), None

    def unconfirmed(self, frame: Frame) -> tuple[bytes | None, Heard | None]:
        """Take a message that wants no answer: give what was heard, and our I-Am if it was asked for."""
        service, data = frame.data[1] if len(frame.data) > 1 else -1, frame.data[2:]
        try:
            match service:
                case Unconfirmed.WHO_IS:
                    low, high = apdu.wanted(data)
                    mine = low <= self._own.instance <= high and self._places.may()
                    return (self._own.i_am() if mine else None), None
                case Unconfirmed.I_AM:
                    return None, self._known(apdu.i_am(data, frame.source))
                case Unconfirmed.COV_NOTIFICATION:
                    found = apdu.notice(data, frame.source)
                    if (found.peer, found.process, found.object) in self._subscribed:
                        return None, found
        except GarbledError:
            pass
        return None, None

    def _known(self, found: IAm) -> IAm:
        if found.instance == self._own.instance:
            self.rival = found.peer
        return found

    def _notified(self, frame: Frame, invoke: int, data: bytes) -> tuple[bytes | None, Heard | None]:
        try:
            found = apdu.notice(data, frame.source)
        except GarbledError:
            return (bytes((0x60, invoke, _REJECT_GARBLED)) if self._places.may() else None), None
        if (found.peer, found.process, found.object) in self._subscribed:
            return bytes((0x20, invoke, Confirmed.COV_NOTIFICATION)), found
        refused = refusal(invoke, Confirmed.COV_NOTIFICATION, *_UNKNOWN_SUBSCRIPTION)
        return (refused if self._places.may() else None), None
