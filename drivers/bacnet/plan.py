"""The requests of one cycle of a device, as far as they can be told before the device has been asked."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from agent.core.driver import Poll
from drivers.bacnet.apdu import MAX_APDU
from drivers.bacnet.device import BacnetDevice
from drivers.bacnet.learnt import Item, Learnt


def polls(device: BacnetDevice) -> Iterator[Poll]:
    """Give the requests of *device*, for each of its periods."""
    for period in device.periods:
        items = [Item(name, one) for name, one in device.points.items() if device.period(one) == period]
        left = sorted(items, key=lambda item: item.value)
        learnt = Learnt(left)
        learnt.max_apdu = MAX_APDU
        while left:
            batch, rest = learnt.cut(left)
            left = list(rest)
            yield Poll(
                device=device.name,
                request=_span(batch),
                every=period,
                points=tuple(f"{device.name}.{item.name}" for item in batch),
            )


def _span(batch: Sequence[Item]) -> str:
    first, last = str(batch[0].value.object), str(batch[-1].value.object)
    return first if first == last else f"{first} .. {last}"
