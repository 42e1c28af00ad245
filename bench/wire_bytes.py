"""Bytes of MQTT packets per point, for each encoding, plain and compressed, against native.

One window of 40 points (temperatures of five devices; mean, min, max) is written by each encoding as its
recipient would get it, with topic, packet header and MQTT 5 properties; without births and TLS.
Compressed is the body in gzip, which only native does of its own: for the others it tells what a compressing
transport would leave. FIWARE without a model and template write a message for each figure.
"""

from __future__ import annotations

import gzip
from typing import Final

from agent.core.message import CanTalk, Encoding, Head, Message, Place
from agent.core.point import Point
from agent.core.product import Product
from agent.core.record import Aggregate
from agent.core.settings import Settings
from agent.encodings.aws_iot_core import AwsIotCoreSettings
from agent.encodings.azure_iot_hub import AzureIotHubSettings
from agent.encodings.native import NativeSettings
from agent.encodings.sparkplug_b import SparkplugBSettings
from agent.encodings.template import TemplateSettings
from agent.registry import kinds, plugin
from bench._report import Figure, show

POINTS: Final = 40
PLACE: Final = Place(city="vaasa", site="library", gateway="gw1")
HEAD: Final = Head(epoch=42, seq=1000, policy="3b683cb786f6")
NOON: Final = 1_795_262_400.0
_EXPIRY: Final = 5
_OLD: Final = frozenset({"azure-iot-hub"})  # speaks MQTT 3.1.1, which has no properties
_SETTINGS: Final[dict[str, Settings]] = {
    "aws-iot-core": AwsIotCoreSettings(thing="library-gw1"),
    "azure-iot-hub": AzureIotHubSettings(device="library-gw1"),
    "template": TemplateSettings(topic="buildings/$site/$point/$statistic"),
}
_MORE: Final[dict[str, tuple[str, Settings]]] = {
    "native, single": ("native", NativeSettings(form="single")),
    "sparkplug-b, aliases": ("sparkplug-b", SparkplugBSettings(aliases=True, datatype_in_data=False)),
}


def main() -> None:
    """Print two rows for each encoding."""
    show(rows("wire_bytes."))


def rows(prefix: str) -> list[Figure]:
    """Measure each encoding; *prefix* begins the names of the figures."""
    wanted = {kind: (kind, _SETTINGS.get(kind)) for kind in kinds("encoding")} | _MORE
    sizes = {name: _sizes(kind, settings) for name, (kind, settings) in wanted.items()}
    plain, packed = sizes["native"]
    return [
        Figure(
            name=f"{prefix}{name.replace(', ', '-').replace('-', '_')}{end}",
            what=f"{name}{', gzip' if end else ''}: bytes a point", value=found[bool(end)], unit="B",
            against=f"native{', gzip' if end else ''}", floor=(plain, packed)[bool(end)],
        )
        for name, found in sizes.items()
        for end in ("", "_gzip")
    ]  # fmt: skip


def _sizes(kind: str, settings: Settings | None) -> tuple[float, float]:
    """Give bytes per point, plain and compressed."""
    made = plugin("encoding", kind)
    encoding: Encoding = made(PLACE, settings or made.settings_type())
    messages = list(encoding.batch(_product(), HEAD, _figures()))
    if isinstance(encoding, CanTalk):
        talk = encoding.talk(0, lambda: NOON + 60)
        bodies = [talk.dress(one.topic, one.body, late=False) for one in messages]
    else:
        bodies = [one.body for one in messages]
    five = kind not in _OLD
    pairs = list(zip(messages, bodies, strict=True))
    plain = sum(_packet(one, len(body), five=five) for one, body in pairs)
    packed = sum(_packet(one, len(gzip.compress(body, mtime=0)), five=five) for one, body in pairs)
    return plain / POINTS, packed / POINTS


def _packet(message: Message, body: int, *, five: bool) -> int:
    """Give the bytes of a PUBLISH packet."""
    rest = 2 + len(message.topic) + (2 if message.qos else 0) + body
    if five:
        properties = 2 + _EXPIRY + (3 + len(message.content_type) if message.content_type else 0)
        properties += sum(5 + len(name) + len(value) for name, value in message.user)
        rest += properties + _varint(properties)
    return 1 + _varint(rest) + rest


def _varint(number: int) -> int:
    return 1 if number < 128 else 2 if number < 16384 else 3


def _product() -> Product:
    points = tuple(
        Point(name=f"ahu-{n // 8}.temperature_{n}", unit="Cel", quantity="temperature", resolution=0.01)
        for n in range(POINTS)
    )
    return Product(
        id="climate", points=points, published=points, steps=(), window=60.0, span="1m",
        statistics=("mean", "min", "max"),
    )  # fmt: skip


def _figures() -> list[Aggregate]:
    """Make figures that differ, as real ones do."""
    return [
        Aggregate(one.name, NOON, 60.0, 12, (21.62 + n / 7, 19.15 + n / 11, 25.65 + n / 5))
        for n, one in enumerate(_product().published)
    ]


if __name__ == "__main__":
    main()
