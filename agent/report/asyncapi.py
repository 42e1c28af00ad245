"""An interface as an AsyncAPI 3.0 document; schemas are rewritten to the draft that its tools read."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, Final

from agent.core.message import Message
from agent.report.interface import Channel, Interface

Json = dict[str, Any]
_BINDING: Final = "0.2.0"


def asyncapi(described: Interface, *, software: str) -> Json:
    """Write the document."""
    recipient, place = described.recipient, described.plan.place
    names = {one.topic: _slug(one.topic) for one in described.channels}
    schemas, kinds = _schemas(described.schema)
    messages: Json = {}
    channels: Json = {}
    operations: Json = {}
    for one in described.channels:
        name = names[one.topic]
        refs: Json = {}
        for kind, message in one.messages.items():
            key = f"{name}-{kind}"
            messages[key] = _message(kind, message, kinds)
            refs[kind] = {"$ref": f"#/components/messages/{key}"}
            way = "receive" if one.heard else "send"
            operations[f"{way}-{key}"] = _operation(name, kind, message, way)
        channels[name] = _channel(one, refs, recipient.name)
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": f"{place.city}/{place.site}/{place.gateway} for {recipient.name}",
            "version": described.plan.policy,
            "description": _about(described, software),
        },
        "servers": {
            recipient.name: {
                "host": f"{recipient.host}:{recipient.port}",
                "protocol": "secure-mqtt" if recipient.tls else "mqtt",
                "protocolVersion": recipient.mqtt,
                **(
                    {"pathname": recipient.websocket, "description": "MQTT within WebSocket."}
                    if recipient.websocket
                    else {}
                ),
            }
        },
        "channels": channels,
        "operations": operations,
        "components": {"messages": messages, **({"schemas": schemas} if schemas else {})},
    }


def _about(described: Interface, software: str) -> str:
    products = ", ".join(one.id for one in described.products) or "no product"
    return (
        f"Written by citygate {software} from its configuration: encoding {described.recipient.encoding}, "
        f"products {products}. Late windows travel {described.late}."
    )


def _channel(channel: Channel, refs: Json, server: str) -> Json:
    made: Json = {"address": channel.topic, "messages": refs, "servers": [{"$ref": f"#/servers/{server}"}]}
    if channel.product:
        made["title"] = channel.product
    return made


def _operation(channel: str, kind: str, message: Message, way: str) -> Json:
    return {
        "action": way,
        "channel": {"$ref": f"#/channels/{channel}"},
        "messages": [{"$ref": f"#/channels/{channel}/messages/{kind}"}],
        "bindings": {"mqtt": {"qos": message.qos, "retain": message.retain, "bindingVersion": _BINDING}},
    }


def _message(kind: str, message: Message, kinds: Mapping[str, list[str]]) -> Json:
    made: Json = {"name": kind, "contentType": message.content_type or "application/octet-stream"}
    if message.user:
        names = {name: {"type": "string"} for name, _ in message.user}
        made["headers"] = {"type": "object", "properties": names, "description": "User Properties of MQTT 5."}
    body = example(message)
    if body is not None:
        sorts = kinds.get(str(body.get("k", "")), []) if isinstance(body, dict) else []
        refs = [{"$ref": f"#/components/schemas/{one}"} for one in sorts]
        if refs:
            made["payload"] = refs[0] if len(refs) == 1 else {"oneOf": refs}
        made["examples"] = [{"name": kind, "payload": body}]
    return made


def example(message: Message) -> Any:  # noqa: ANN401 - any JSON value
    """Give a body as plain values; None where it is no JSON."""
    try:
        return json.loads(message.body)
    except (ValueError, UnicodeDecodeError):
        return None


def _schemas(schema: Mapping[str, Any] | None) -> tuple[Json, dict[str, list[str]]]:
    """Give the parts of a schema as components, and which of them describe which ``k``."""
    if schema is None:
        return {}, {}
    parts = {name: _older(part) for name, part in schema["$defs"].items()}
    kinds: dict[str, list[str]] = {}
    for name, part in parts.items():
        for kind in part.get("properties", {}).get("k", {}).get("enum", ()):
            kinds.setdefault(str(kind), []).append(name)
    return parts, kinds


def _older(part: Any) -> Any:  # noqa: ANN401 - any JSON value
    """Rewrite draft 2020-12 to draft 7: tuples are items there, and definitions live elsewhere."""
    if isinstance(part, list):
        return [_older(one) for one in part]
    if not isinstance(part, dict):
        return part
    made = {key: _older(one) for key, one in part.items()}
    if "prefixItems" in made:
        made["additionalItems"], made["items"] = made.pop("items", True), made.pop("prefixItems")
    if "const" in made:
        made["enum"] = [made.pop("const")]
    if "$ref" in made:
        made["$ref"] = made["$ref"].replace("#/$defs/", "#/components/schemas/")
    return made


def _slug(topic: str) -> str:
    return re.sub(r"[^A-Za-z0-9_-]+", "-", topic).strip("-")
