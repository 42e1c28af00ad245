"""What a link counts about itself and its devices, laid open on its desk for ``citygate status``.

The names of a device's figures begin with its own: ``ahu-1.rtt_ms``. What is nought is not shown.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from drivers.bacnet.client import Client
    from drivers.bacnet.reader import Reader


class Figures:
    """Figures of one link; they live on the desk's dict."""

    def __init__(self, figures: dict[str, float | str]) -> None:
        self._figures = figures
        self._overruns = 0

    def overran(self, beats: int) -> None:
        """Count polls that were due while an earlier one of the same device still ran."""
        self._overruns += beats
        self._figures["overruns"] = self._overruns

    def link(self, client: Client, readers: Sequence[Reader]) -> None:
        """Show how the link as a whole does."""
        figures = self._figures
        figures["address"] = str(client.address)
        if client.registration is not None:
            figures["registration"] = f"{client.registration.bbmd} {client.registration.state}"
        for name, count in (
            ("refused_requests", client.door.refused),
            ("strays", client.strays),
            ("dropped", client.dropped),
            ("unsent", client.unsent),
        ):
            if count:
                figures[name] = count
        figures["silent"] = ", ".join(one.device.name for one in readers if one.breaker.open)
        figures["hint"] = _hint(client)

    def device(self, reader: Reader, client: Client) -> None:
        """Show how one device does."""
        name, learnt = reader.device.name, reader.learnt
        found: dict[str, float | str] = {"trouble": reader.trouble}
        if reader.peer is not None:
            counts = client.counts(reader.peer)
            found |= {
                "at": str(reader.peer),
                "rtt_ms": round(1000 * counts.rtt, 1),
                "requests": counts.requests,
                "timeouts": counts.silences,
                "errors": counts.errors,
                "rejects": counts.rejects,
                "aborts": counts.aborts,
                "bad_replies": counts.garbled,
                "points_per_request": learnt.per_request,
                "read_alone": learnt.alone,
            }
        if (changes := reader.changes) is not None:
            found |= {
                "subscriptions": f"{changes.alive} of {changes.wanted}",
                "notices": changes.tally.notices,
                "lost_renewals": changes.tally.lost_renewals,
                "missed_notices": changes.tally.missed,
                "no_place": changes.tally.turned_away,
            }
        for key, value in found.items():
            full = f"{name}.{key}"
            if value or full in self._figures:
                self._figures[full] = value


def _hint(client: Client) -> str:
    if client.door.rival is not None:
        return f"{client.door.rival} calls itself by our device_id: set another one"
    if client.deaf:
        return "broadcasts are not heard: does another BACnet program run on this computer?"
    return ""
