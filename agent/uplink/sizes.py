"""How large messages may be for one broker: what it says at the welcome, or what it has refused. Pure."""

from __future__ import annotations

from typing import Final

from agent.uplink.port import LinkInfo, Packet

_FIXED: Final = 24  # bytes of lengths, identifier, payload format and expiry: never more
_AROUND: Final = 400  # bytes that topic and properties may take, before they are known
_LEAST: Final = 256  # bytes of a body; smaller parts would be nothing but their own description


def size_of(packet: Packet) -> int:
    """Give the bytes of *packet* as it leaves, or a few more."""
    user = sum(len(name) + len(value) + 5 for name, value in packet.user)
    return _FIXED + len(packet.topic) + len(packet.content_type) + 3 + user + len(packet.body)


class Sizes:
    """The bytes of a body that are known to be taken; ``most`` is 0 while any are."""

    def __init__(self) -> None:
        self._said = 0
        self._learnt = 0

    @property
    def most(self) -> int:
        """How many bytes a body should have at most; 0: any."""
        return min((one for one in (self._said, self._learnt) if one), default=0)

    def welcomed(self, info: LinkInfo) -> None:
        """Take in what a broker says at the welcome."""
        self._said = max(_LEAST, info.maximum_packet - _AROUND) if info.maximum_packet is not None else 0
        if self._said:
            self._learnt = 0  # it says what it means

    def refused(self, size: int) -> bool:
        """Learn from a body of *size* bytes that was too large; say whether that was news."""
        before = self.most
        if not self._said and size > _LEAST:
            self._learnt = max(_LEAST, min(size // 2, self._learnt or size))
        return self.most != before

    def forget(self) -> None:
        """Forget what was learnt: a person may have raised the limit."""
        self._learnt = 0
