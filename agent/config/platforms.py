"""Holds a recipient to the terms of its platform: sets what follows, refuses what it would refuse."""

from __future__ import annotations

from typing import Any, Final

from msgspec.structs import replace

from agent.config import tables
from agent.config.brokers import Broker
from agent.config.draft import Draft
from agent.config.spans import Path
from agent.core.duration import Duration
from agent.core.platform import Demands
from agent.core.settings import Settings
from agent.registry import plugin

_USUAL_PATH: Final = "/mqtt"
_WEB_PORT: Final = 443


def demands_of(encoding: str, style: Settings | None, host: str) -> Demands | None:
    """Give the terms that come with an encoding; None when it has none."""
    if style is None:
        return None  # its own faults have been noted
    kind = plugin("encoding", encoding)
    if not hasattr(kind, "demands"):
        return None
    found: Demands = kind.demands(style, host)
    return found


def fitted(
    draft: Draft, path: Path, written: tables.Recipient, broker: Broker, demands: Demands
) -> tables.Recipient:
    """Set what *demands* imply, and note as faults what they rule out."""
    said = draft.tables["recipient"][path[-1]]
    changes: dict[str, Any] = {}
    _check_way(draft, path, written, broker, demands)
    if written.mqtt not in demands.mqtt:
        if "mqtt" in said:
            versions = " or ".join(demands.mqtt)
            draft.fault((*path, "mqtt"), f"{demands.platform} speaks MQTT {versions}, not {written.mqtt}")
        changes["mqtt"] = demands.mqtt[0]
    shortest, longest = demands.keepalive
    if not shortest <= written.keepalive <= longest:
        if "keepalive" in said:
            message = f"{demands.platform} takes {shortest:g} to {longest:g} s"
            draft.fault((*path, "keepalive"), message)
        changes["keepalive"] = Duration(min(max(shortest, float(written.keepalive)), longest))
    if demands.rate and not 0 < written.rate <= demands.rate:
        if "rate" in said:
            message = (
                f"{demands.platform} ends a connection with more than {demands.rate:g} messages a second"
            )
            draft.fault((*path, "rate"), message)
        changes["rate"] = demands.rate
    implied = {"client_id": demands.client_id, "username": demands.username}
    for key, wanted in implied.items():
        if wanted and said.get(key) not in (None, "", wanted):
            message = f'{demands.platform} takes nothing but "{wanted}" here'
            draft.fault((*path, key), message, "leave it out")
    changes |= {key: wanted for key, wanted in implied.items() if wanted}
    _check_login(draft, path, written, demands)
    return replace(written, **changes)


def alpn(demands: Demands | None, broker: Broker) -> str:
    """Give the protocol to ask for in TLS; empty: none."""
    return demands.ports.get(broker.port, "") if demands and not broker.is_websocket else ""


def web_path(demands: Demands | None, broker: Broker, *, certified: bool) -> str:
    """Give the path of MQTT within WebSocket; empty: it goes without. *certified*: we show a certificate."""
    if not broker.is_websocket:
        return ""
    return _platform_path(demands, certified=certified) or broker.path or _USUAL_PATH


def _platform_path(demands: Demands | None, *, certified: bool) -> str:
    known = (demands and demands.websocket) or {}
    return known.get("certificate" if certified else "key", "")


def _check_way(draft: Draft, path: Path, written: tables.Recipient, broker: Broker, demands: Demands) -> None:
    if demands.is_encrypted and not broker.is_encrypted:
        scheme = "wss" if broker.is_websocket else "mqtts"
        message = f"{demands.platform} takes encrypted connections only"
        draft.fault((*path, "broker"), message, f"write {scheme}://")
    elif broker.is_websocket and demands.websocket is not None:
        _check_web(draft, path, written, broker, demands)
    if demands.ports and not broker.is_websocket and broker.port not in demands.ports:
        ports = " or ".join(map(str, demands.ports))
        draft.fault((*path, "broker"), f"{demands.platform} listens on port {ports}, not on {broker.port}")


def _check_web(draft: Draft, path: Path, written: tables.Recipient, broker: Broker, demands: Demands) -> None:
    wanted = _platform_path(demands, certified=bool(written.certificate))
    if not wanted:
        message = f"{demands.platform} takes a client certificate over plain MQTT alone, not over WebSocket"
        draft.fault((*path, "broker"), message, "write mqtts://, with port 443 if only that is open")
    elif broker.port != _WEB_PORT:
        message = f"{demands.platform} listens for WebSocket on port {_WEB_PORT}, not on {broker.port}"
        draft.fault((*path, "broker"), message)
    elif broker.path not in ("", "/", wanted):
        draft.fault((*path, "broker"), f'{demands.platform} knows the path "{wanted}" alone', "leave it out")


def _check_login(draft: Draft, path: Path, written: tables.Recipient, demands: Demands) -> None:
    ways = {
        "username": (bool(written.username), "a user name", 'write username = "credential:NAME"'),
        "certificate": (bool(written.certificate), "a client certificate", "write certificate and key"),
        "key or certificate": (
            bool(written.password) != bool(written.certificate),
            "either a device key or a client certificate",
            'write password = "credential:NAME" for the key, or certificate and key',
        ),
    }
    given, what, hint = ways.get(demands.login, (True, "", ""))
    if not given:
        draft.fault(path, f"{demands.platform} wants {what}", hint, at_key=True)
