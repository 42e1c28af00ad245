"""What we show a broker and what we believe of it, read anew whenever a file changes.

A pair that cannot be used is refused, and the last good one stays in use: a renewal that goes wrong, or is
half done, costs no connection.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING

from agent.core.catalogue.uplinks import PAIR_REFUSED
from agent.core.errors import UplinkError

if TYPE_CHECKING:
    import ssl

Files = tuple[str | None, str | None, str | None]
"""Authority, certificate and key."""
Stamp = tuple[tuple[int, int, int], ...]

_log = logging.getLogger(__name__)


class IdentityRenewedError(UplinkError):
    """The files have changed and can be used: the connection is to be made anew, at once."""


class Identity:
    """The three files of one recipient's TLS, and the last context that could be made of them."""

    def __init__(self, recipient: str, files: Files, alpn: str = "") -> None:
        self.files = files
        self._alpn = alpn
        self._recipient = recipient
        self._good: ssl.SSLContext | None = None
        self._seen: Stamp = ()
        self._doubtful: Stamp = ()

    def context(self) -> ssl.SSLContext:
        """Give a context of the files as they are, or the last good one; raise UplinkError without either."""
        self.renewed()
        if self._good is None:
            from agent.uplink import tls

            return tls.context(*self.files, self._alpn)
        return self._good

    def renewed(self) -> bool:
        """Look at the files; say whether there is a new context since the last look.

        Files are put in place one after the other: a bad pair is complained of when it is still there at
        the next look.
        """
        stamp = tuple(_stamp(name) for name in self.files if name)
        if stamp == self._seen:
            return False
        from agent.uplink import tls

        try:
            self._good = tls.context(*self.files, self._alpn)
        except UplinkError as error:
            if self._good is not None and stamp == self._doubtful:
                PAIR_REFUSED.tell(_log, self._recipient, error, RECIPIENT=self._recipient)
                self._seen = stamp
            self._doubtful = stamp
            return False
        self._seen = stamp
        return True


def _stamp(name: str) -> tuple[int, int, int]:
    try:
        found = Path(name).stat()
    except OSError:
        return (0, 0, 0)
    return (found.st_ino, found.st_size, found.st_mtime_ns)
