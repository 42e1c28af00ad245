"""AWS IoT Core: native messages within its limits, the data on request straight into a rule of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any, ClassVar, Final

from msgspec import Meta
from msgspec.structs import replace

from agent.core.message import Head, Late, Loss, Message, Place, Previous, Status
from agent.core.platform import Demands
from agent.core.product import Product, Route
from agent.core.record import Record
from agent.core.settings import Settings
from agent.encodings.native import Native, native_schema

_TOPIC: Final = 256  # bytes of a topic, without those that name a rule
_LEVELS: Final = 7  # slashes in a topic


class AwsIotCoreSettings(Settings):
    """Who the gateway is at AWS, and where its data go."""

    thing: Annotated[
        str,
        Meta(description="Name of the thing; also the MQTT client id.", pattern=r"^[A-Za-z0-9:_-]{1,128}$"),
    ]
    rule: Annotated[
        str,
        Meta(
            description="Rule that takes the data, past the message broker and its price; empty: the broker.",
            pattern=r"^[A-Za-z0-9_]{0,128}$",
        ),
    ] = ""


class AwsIotCore:
    """Writes native messages within the limits of AWS IoT Core."""

    settings_type: ClassVar[type[Settings]] = AwsIotCoreSettings
    late: Late = "marked"

    def __init__(self, place: Place, settings: AwsIotCoreSettings) -> None:
        self._native = Native(place)
        self._settings = settings
        self._root = f"citygate/1/{place.city}/{place.site}/{place.gateway}"

    @classmethod
    def demands(cls, settings: Settings, host: str) -> Demands:
        """Give its terms; on port 443 it wants to be asked for MQTT."""
        del host
        assert isinstance(settings, AwsIotCoreSettings)
        return Demands(
            platform="AWS IoT Core",
            is_encrypted=True,
            ports={8883: "", 443: "x-amzn-mqtt-ca"},
            keepalive=(30.0, 1200.0),
            rate=100.0,
            login="certificate",
            client_id=settings.thing,
            websocket={},  # there it takes signatures and custom logins, no certificates
        )

    def objections(self, product: Product) -> Iterable[str]:
        """Say which topic would end the connection."""
        for kind in ("b", "d"):
            topic = f"{self._root}/{kind}/{product.id}"
            if len(topic) > _TOPIC or topic.count("/") > _LEVELS:
                yield f'"{topic}" has more than the {_TOPIC} bytes that AWS takes: write shorter names'

    def batch(self, product: Product, head: Head, records: Sequence[Record]) -> Sequence[Message]:
        """Encode cleared records as native does."""
        return [self._data(one) for one in self._native.batch(product, head, records)]

    def gap(self, product: str, head: Head, losses: Sequence[Loss]) -> Message:
        """Declare what was lost."""
        return self._data(self._native.gap(product, head, losses))

    def start(self, product: str, head: Head, previous: Previous | None) -> Message | None:
        """Open an epoch on this route."""
        return self._data(self._native.start(product, head, previous))

    def time(self, product: str, head: Head, offset: float) -> Message | None:
        """Tell the offset that turns this boot's stamps into UTC seconds."""
        return self._data(self._native.time(product, head, offset))

    def birth(self, product: Product, route: Route, head: Head, lid: str) -> Sequence[Message]:
        """Describe what will come on this route; retained at the message broker."""
        return self._native.birth(product, route, head, lid)

    def status(self, status: Status) -> Message:
        """Tell how the gateway does."""
        return self._native.status(status)

    def will(self, lid: str, epoch: int) -> Message:
        """Give what the broker shall say when the gateway vanishes."""
        return self._native.will(lid, epoch)

    def schema(self) -> Mapping[str, Any]:
        """Give the schema of the native format."""
        return native_schema()

    def provision(self, products: Sequence[Product]) -> Mapping[str, Any]:
        """Give the thing, the policy that lets it write exactly its own topics, and the rule."""
        thing = self._settings.thing
        topics = [f"{self._root}/s", *(f"{self._root}/b/{one.id}*" for one in products)]
        data = [f"{self._data_root}/d/{one.id}" for one in products]
        where = "arn:aws:iot:REGION:ACCOUNT"
        policy = {
            "Version": "2012-10-17",
            "Statement": [
                _allow("iot:Connect", f"{where}:client/{thing}"),
                _allow("iot:Publish", *(f"{where}:topic/{one}" for one in (*topics, *data))),
                _allow("iot:RetainPublish", *(f"{where}:topic/{one}" for one in topics)),
            ],
        }
        made: dict[str, Any] = {"thing": {"thingName": thing}, "policy": policy}
        if self._settings.rule:
            made["rule"] = {
                "sql": "SELECT *, topic() AS topic",
                "awsIotSqlVersion": "2016-03-23",
                "actions": [],
            }
        return made

    @property
    def _data_root(self) -> str:
        rule = self._settings.rule
        return f"$aws/rules/{rule}/{self._root}" if rule else self._root

    def _data(self, message: Message) -> Message:
        return replace(message, topic=self._data_root + message.topic.removeprefix(self._root))


def _allow(action: str, *resources: str) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": action, "Resource": list(resources)}
