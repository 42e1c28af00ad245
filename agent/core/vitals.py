"""How the gateway itself does, as numbers: what a link of the driver ``gateway`` turns into points.

None is what this computer does not tell.
"""

from __future__ import annotations

from msgspec import Struct


class Vitals(Struct, frozen=True, kw_only=True):
    """One look at the gateway; spans are in seconds, sizes in bytes, shares from 0 to 1.

    ``oldest_good`` is the age of the last good value of the device that has been without one for longest.
    """

    links: float = 0.0
    links_up: float = 0.0
    devices: float = 0.0
    devices_ok: float = 0.0
    oldest_good: float | None = None
    recipients: float = 0.0
    recipients_up: float = 0.0
    routes_refused: float = 0.0
    backlog: float = 0.0
    backlog_age: float = 0.0
    clock_synced: float = 0.0
    certificate_days: float | None = None
    disk_free: float | None = None
    disk_trouble: float = 0.0
    card_wear: float | None = None
    temperature: float | None = None
    undervoltage: float | None = None
    memory: float = 0.0
    lag: float = 0.0
    starts: float = 0.0
    bundle: float | None = None
    bundle_tried: float | None = None
    bundle_taken_back: float | None = None
