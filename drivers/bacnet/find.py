"""Finds the devices of a link, and notices when two call themselves by the same number.

A device with an address is asked there who it is. One without is looked for by its instance; if two answer,
neither is read: which of them is meant only a person can say. What is heard later on is compared with what
was found, so that a device that moved is found again and a second one does not stay unseen.
"""

from __future__ import annotations

import logging
from typing import Final

from msgspec import Struct

from agent.core.catalogue.links import DEVICE_TROUBLE
from agent.core.clock import Clock
from drivers.bacnet.apdu import ANY_INSTANCE
from drivers.bacnet.device import BacnetDevice
from drivers.bacnet.learnt import USUAL_APDU
from drivers.bacnet.names import DEVICE, PROPERTIES
from drivers.bacnet.peer import EVERYWHERE, Peer
from drivers.bacnet.stack import Heard, IAm, RefusedError, SilentError, Stack
from drivers.bacnet.value import ObjectId, Ref

_MAX_APDU: Final = PROPERTIES["max-apdu-length-accepted"]
_IDENTIFIER: Final = PROPERTIES["object-identifier"]
_UNKNOWN_OBJECT: Final = 31
_LEAST_APDU: Final = 50
_log = logging.getLogger(__name__)


class Place(Struct, frozen=True):
    """Where a device was found, and the longest message that it takes."""

    peer: Peer
    max_apdu: int


class UnfoundError(Exception):
    """A device cannot be read: ``why`` for its samples, and the text for people."""

    def __init__(self, why: str, text: str = "") -> None:
        super().__init__(text)
        self.why = why


class Finder:
    """Knows where the devices of a link are."""

    def __init__(self, stack: Stack, clock: Clock, patience: float) -> None:
        self._stack, self._clock, self._patience = stack, clock, patience
        self._places: dict[str, Place] = {}
        self._heard: dict[int, dict[Peer, IAm]] = {}
        self._by_instance: dict[int, str] = {}
        self.troubles: dict[str, str] = {}
        stack.listen(self._listen)

    async def find(self, device: BacnetDevice) -> Place:
        """Say where *device* is; raise UnfoundError, or SilentError when it does not answer."""
        if (known := self._places.get(device.name)) is not None:
            return known
        try:
            peer = device.peer
            found = await (self._look_for(device) if peer is None else self._ask(device, peer))
        except UnfoundError as error:
            self._trouble(device.name, str(error))
            raise
        self._trouble(device.name, "")
        self._places[device.name] = found
        return found

    def lost(self, device: BacnetDevice) -> None:
        """Look for *device* again the next time."""
        self._places.pop(device.name, None)

    async def _ask(self, device: BacnetDevice, peer: Peer) -> Place:
        instance = ANY_INSTANCE if device.instance is None else device.instance
        try:
            told = await self._stack.read(peer, Ref(ObjectId(DEVICE, instance), _MAX_APDU))
        except RefusedError as error:
            if device.instance is not None and error.fault.code == _UNKNOWN_OBJECT:
                await self._name_stranger(device, peer)
            return Place(peer, USUAL_APDU)
        return Place(peer, told if isinstance(told, int) and told >= _LEAST_APDU else USUAL_APDU)

    async def _name_stranger(self, device: BacnetDevice, peer: Peer) -> None:
        """Raise UnfoundError if another device is at *peer*."""
        try:
            told = await self._stack.read(peer, Ref(ObjectId(DEVICE, ANY_INSTANCE), _IDENTIFIER))
        except RefusedError:
            return
        if isinstance(told, ObjectId) and told.instance != device.instance:
            raise UnfoundError("wrong_device", f"at {peer} is device {told.instance}, not {device.instance}")

    async def _look_for(self, device: BacnetDevice) -> Place:
        instance = device.instance
        assert instance is not None
        self._by_instance[instance] = device.name
        answers = self._heard[instance] = {}
        try:
            await self._stack.who_is(instance, instance, Peer(EVERYWHERE, b""))
            await self._clock.sleep(self._patience)
        except SilentError as error:
            raise UnfoundError("no_reply", str(error)) from error
        finally:
            self._heard.pop(instance, None)
        if not answers:
            raise UnfoundError(
                "no_reply",
                f"nobody calls itself device {instance}; is it on? An address finds it too",
            )
        if len(answers) > 1:
            both = " and ".join(str(peer) for peer in sorted(answers))
            raise UnfoundError(
                "duplicate_instance",
                f"device {instance} is there twice, at {both}: say which by address",
            )
        [found] = answers.values()
        return Place(found.peer, max(_LEAST_APDU, found.max_apdu))

    def _listen(self, heard: Heard) -> None:
        if not isinstance(heard, IAm):
            return
        if heard.instance in self._heard:
            self._heard[heard.instance][heard.peer] = heard
        name = self._by_instance.get(heard.instance, "")
        known = self._places.get(name)
        if known is not None and known.peer != heard.peer:
            del self._places[name]  # it moved, or is there twice: the next look will tell

    def _trouble(self, name: str, text: str) -> None:
        if text and self.troubles.get(name) != text:
            DEVICE_TROUBLE.tell(_log, name, text, DEVICE=name)
        if text:
            self.troubles[name] = text
        else:
            self.troubles.pop(name, None)
