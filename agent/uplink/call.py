"""Turns a configured recipient into a call: secrets are looked up anew for each connection."""

from __future__ import annotations

from agent.core.message import Message
from agent.core.plan import Recipient
from agent.core.secrets import secret, secret_file
from agent.uplink.flow import MOST
from agent.uplink.port import Call


def call_of(recipient: Recipient, gateway: str, patience: float, will: Message) -> Call:
    """Say how to reach *recipient*; raise ConfigError for a credential that is missing."""
    tls = recipient.tls
    return Call(
        host=recipient.host,
        port=recipient.port,
        # brokers throw out whoever came before under the same name: two recipients at one of them are two
        client_id=recipient.client_id or f"{gateway}-{recipient.name}",
        username=secret(recipient.username) if recipient.username else None,
        password=secret(recipient.password) if recipient.password else None,
        version=recipient.mqtt,
        keepalive=max(1, round(recipient.keepalive)),
        patience=patience,
        window=MOST,
        will=will,
        client=recipient.client,
        proxy=recipient.proxy,
        proxy_login=_login(recipient),
        tls=tls is not None,
        alpn=recipient.alpn,
        websocket=recipient.websocket,
        ca=_file(tls.ca) if tls else None,
        certificate=_file(tls.certificate) if tls else None,
        key=_file(tls.key) if tls else None,
    )


def _login(recipient: Recipient) -> str | None:
    if not recipient.proxy_username:
        return None
    return f"{secret(recipient.proxy_username)}:{secret(recipient.proxy_password)}"


def _file(reference: str) -> str | None:
    return str(secret_file(reference)) if reference else None
