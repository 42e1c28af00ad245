"""The errors this gateway raises on purpose.

* GatewayError
  * ConfigError      a person must edit a file: the old plan stays, or the process does not start
  * DriverError      a device or its line misbehaves: the supervisor restarts that link
  * UplinkError      a broker is away or refuses: the outbox keeps what it has
    * ClockError     our own time of day makes certificates look wrong: time will tell, or a person
  * OutboxError      the disk under the outbox fails: declared, and the process says so

The leaves differ in who must act. Only the supervisor catches ``Exception``.
"""

from __future__ import annotations


class GatewayError(Exception):
    """Base of all errors that this gateway raises on purpose.

    ``cheap``: the attempt has cost the other end nothing (it refused at once, or never heard of it), so that
    another one soon disturbs nobody.
    """

    def __init__(self, *args: object, cheap: bool = False) -> None:
        super().__init__(*args)
        self.cheap = cheap


class ConfigError(GatewayError):
    """The configuration cannot be used as it stands; the text is a report for a person."""


class DriverError(GatewayError):
    """A device, or the line to it, failed in a way that a restart of the link may cure.

    ``patience`` caps the back-off, in seconds, where trying again disturbs nobody: an adapter that is not
    plugged in should be found soon after it is.
    """

    def __init__(self, *args: object, patience: float | None = None, cheap: bool = False) -> None:
        super().__init__(*args, cheap=cheap)
        self.patience = patience


class UplinkError(GatewayError):
    """Nothing can be delivered to this recipient just now."""


class ClockError(UplinkError):
    """A certificate looks expired, or not valid yet, because our own clock cannot be right."""


class OutboxError(GatewayError):
    """The outbox cannot keep a record."""
