"""Azure IoT Hub: native bodies on the one topic that it takes, with what describes them as its properties.

It speaks MQTT 3.1.1, retains nothing and gives no reasons. With a device key the password is a token that
ends; each connection gets a new one, in time.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from binascii import Error as NoBase64
from collections.abc import Mapping, Sequence
from hashlib import sha256
from hmac import digest
from typing import Annotated, Any, ClassVar, Final
from urllib.parse import quote

from msgspec import Meta
from msgspec.structs import replace

from agent.core.message import Head, Late, Loss, Message, Place, Previous, Status
from agent.core.platform import Demands, Registering, Token
from agent.core.product import Product, Route
from agent.core.record import Record
from agent.core.settings import Settings
from agent.encodings._azure_provisioning import Registration
from agent.encodings.native import Native, native_schema

_API: Final = "2021-04-12"
_SERVICE_API: Final = "2019-03-31"
_WEB_PATH: Final = "/$iothub/websocket"
_LIFE: Final = 3600.0  # seconds that a token holds: the least that is worth a new connection


class AzureIotHubSettings(Settings):
    """Who the gateway is at the hub."""

    device: Annotated[
        str,
        Meta(
            description="Device id at the hub; also the MQTT client id.", pattern=r"^[A-Za-z0-9._:-]{1,128}$"
        ),
    ]
    scope: Annotated[
        str,
        Meta(
            description="ID scope of the provisioning service that the broker then is; empty: it is a hub.",
            pattern=r"^[A-Za-z0-9]{0,32}$",
        ),
    ] = ""


class AzureIotHub:
    """Writes native bodies as device-to-cloud messages of an IoT Hub."""

    settings_type: ClassVar[type[Settings]] = AzureIotHubSettings
    late: Late = "dated"

    def __init__(self, place: Place, settings: AzureIotHubSettings) -> None:
        self._native = Native(place)
        self._place = place
        self._device = settings.device
        self._scope = settings.scope

    @classmethod
    def demands(cls, settings: Settings, host: str) -> Demands:
        """Give the hub's terms; user name and client id follow from the device."""
        assert isinstance(settings, AzureIotHubSettings)
        return Demands(
            platform="Azure IoT Hub",
            mqtt=("3.1.1",),
            is_encrypted=True,
            ports={8883: ""},
            keepalive=(1.0, 1177.0),
            rate=100.0,
            login="key or certificate",
            client_id=settings.device,
            username=_service_user(settings) if settings.scope else _hub_user(host, settings.device),
            # asked for a certificate that it does not have, a client with a key would be turned away
            websocket={"certificate": _WEB_PATH, "key": f"{_WEB_PATH}?iothub-no-client-cert=true"},
        )

    def registration(self) -> Registering | None:
        """Begin to ask the provisioning service, where the broker is one."""
        return Registration(self._device) if self._scope else None

    def registration_token(self, key: str, now: float) -> Token:
        """Sign a token for the provisioning service."""
        return _signed(f"{self._scope}/registrations/{self._device}", key, now, "&skn=registration")

    def username(self, host: str) -> str:
        """Give the user name at a hub."""
        return _hub_user(host, self._device)

    def token(self, host: str, key: str, now: float) -> Token:
        """Sign a shared-access token with the device's key."""
        return _signed(f"{host}/devices/{self._device}", key, now)

    def batch(self, product: Product, head: Head, records: Sequence[Record]) -> Sequence[Message]:
        """Encode cleared records as native does."""
        return [self._moved(one, product.id) for one in self._native.batch(product, head, records)]

    def gap(self, product: str, head: Head, losses: Sequence[Loss]) -> Message:
        """Declare what was lost."""
        return self._moved(self._native.gap(product, head, losses), product)

    def start(self, product: str, head: Head, previous: Previous | None) -> Message | None:
        """Open an epoch on this route."""
        return self._moved(self._native.start(product, head, previous), product)

    def time(self, product: str, head: Head, offset: float) -> Message | None:
        """Tell the offset that turns this boot's stamps into UTC seconds."""
        return self._moved(self._native.time(product, head, offset), product)

    def birth(self, product: Product, route: Route, head: Head, lid: str) -> Sequence[Message]:
        """Describe what will come on this route; the hub keeps it for nobody, so it is repeated."""
        return [self._moved(one, product.id) for one in self._native.birth(product, route, head, lid)]

    def status(self, status: Status) -> Message:
        """Tell how the gateway does."""
        return self._moved(self._native.status(status), "")

    def will(self, lid: str, epoch: int) -> Message:
        """Give what the hub shall take in when the gateway vanishes."""
        return self._moved(self._native.will(lid, epoch), "")

    def schema(self) -> Mapping[str, Any]:
        """Give the schema of the native format."""
        return native_schema()

    def provision(self, products: Sequence[Product]) -> Mapping[str, Any]:
        """Give bodies for the hub's ``/devices/{id}``, for a key or a certificate, and a route."""
        del products
        tags = {"city": self._place.city, "site": self._place.site, "gateway": self._place.gateway}
        device = {"deviceId": self._device, "status": "enabled", "tags": tags}
        ways = {"device-with-key": "sas", "device-with-certificate": "certificateAuthority"}
        bodies = {name: device | {"authentication": {"type": way}} for name, way in ways.items()}
        route = {
            "name": "citygate",
            "source": "DeviceMessages",
            "condition": "kind = 'batch' OR kind = 'event' OR kind = 'gap' OR kind = 'start'",
            "isEnabled": True,
        }
        return {**bodies, "route": route}

    def _moved(self, message: Message, product: str) -> Message:
        """Put a message on the device's own topic; the topic carries its properties, in the URL's writing."""
        told = [("$.ct", message.content_type), ("$.ce", "utf-8"), ("kind", message.kind)]
        told += [("product", product)] if product else []
        said = "&".join(f"{name}={quote(value, safe='')}" for name, value in (*told, *message.user))
        return replace(message, topic=f"devices/{self._device}/messages/events/{said}", retain=False)


def _hub_user(host: str, device: str) -> str:
    return f"{host}/{device}/?api-version={_API}"


def _service_user(settings: AzureIotHubSettings) -> str:
    return f"{settings.scope}/registrations/{settings.device}/api-version={_SERVICE_API}"


def _signed(resource: str, key: str, now: float, more: str = "") -> Token:
    """Sign a shared-access token for *resource* with a key in Base64."""
    try:
        secret = b64decode(key, validate=True)
    except NoBase64:
        raise ValueError("a device key is Base64, and this is not; copy it from the hub") from None
    until, named = int(now + _LIFE), quote(resource, safe="")
    signature = b64encode(digest(secret, f"{named}\n{until}".encode(), sha256)).decode()
    text = f"SharedAccessSignature sr={named}&sig={quote(signature, safe='')}&se={until}{more}"
    return Token(text, float(until))
