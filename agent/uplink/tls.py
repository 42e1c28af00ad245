"""TLS towards a broker: 1.2 or newer, names verified, and a clear sentence for each way in which it fails.

There is no switch to verify less, and nothing here or above it falls back to plain text.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final

from agent.core.clock import kernel_is_synced
from agent.core.errors import ClockError, UplinkError
from agent.uplink.stream import Wants

WANTS: Final = Wants(read=(ssl.SSLWantReadError,), write=(ssl.SSLWantWriteError,))

_EXPIRED: Final = 10
_NOT_YET: Final = 9
_UNKNOWN: Final = frozenset({2, 18, 19, 20, 21})
_NAMES: Final = frozenset({62, 64})
_NO_TLS: Final = frozenset(
    {"WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "HTTP_REQUEST", "UNKNOWN_PROTOCOL"}
)
_ALERTS: Final = {
    "CERTIFICATE_REQUIRED": "the broker wants a client certificate: set `certificate` and `key`",
    "HANDSHAKE_FAILURE": "the broker refused the handshake; it may want a client certificate",
    "UNKNOWN_CA": "the broker does not know the authority of our client certificate",
    "BAD_CERTIFICATE": "the broker does not accept our client certificate",
    "CERTIFICATE_EXPIRED": "the broker says that our client certificate has expired",
    "CERTIFICATE_UNKNOWN": "the broker does not accept our client certificate",
    "CERTIFICATE_REVOKED": "the broker says that our client certificate was revoked",
    "PROTOCOL_VERSION": "the broker speaks only TLS versions older than 1.2; it must be updated",
    "UNSUPPORTED_PROTOCOL": "the broker speaks only TLS versions older than 1.2; it must be updated",
}


def context(
    ca: str | None, certificate: str | None = None, key: str | None = None, alpn: str = ""
) -> ssl.SSLContext:
    """Make a verifying client context: *ca* or the system's authorities; raise UplinkError for bad files.

    *alpn* is the protocol to ask for, where several share a port.
    """
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # verifies certificate and name
    made.minimum_version = ssl.TLSVersion.TLSv1_2
    if alpn:
        made.set_alpn_protocols([alpn])
    try:
        if ca:
            made.load_verify_locations(ca)
        else:
            made.load_default_certs(ssl.Purpose.SERVER_AUTH)
    except (OSError, ssl.SSLError) as error:
        raise UplinkError(f"ca {ca} cannot be used: {_plain(error)}") from error
    if certificate:
        try:
            made.load_cert_chain(certificate, key)
        except (OSError, ssl.SSLError) as error:
            raise UplinkError(
                f"certificate {certificate} with key {key} cannot be used: {_plain(error)}"
            ) from error
    return made


async def secured(plain: socket.socket, context: ssl.SSLContext, host: str, where: str) -> ssl.SSLSocket:
    """Do the handshake; on any failure the socket is closed and UplinkError says why."""
    loop = asyncio.get_running_loop()
    wrapped = context.wrap_socket(plain, server_hostname=host, do_handshake_on_connect=False)
    done = False
    try:
        while not done:
            try:
                wrapped.do_handshake()
                done = True
            except ssl.SSLWantReadError:
                await _ready(wrapped, loop.add_reader, loop.remove_reader)
            except ssl.SSLWantWriteError:
                await _ready(wrapped, loop.add_writer, loop.remove_writer)
    except OSError as error:
        clock = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
        trusted = kernel_is_synced()
        raise failure(error, where, host=host, clock=clock, trusted=trusted) from error
    finally:
        if not done:
            wrapped.close()
    return wrapped


def failure(error: OSError, where: str, *, host: str, clock: str, trusted: bool) -> UplinkError:
    """Give what failed while talking TLS to *where*, as the error that says who must act.

    *clock* is our time of day as text, *trusted* whether it is synchronised: where it is not, a certificate
    that looks expired or not valid yet speaks against the clock, and nobody should touch the certificate.
    """
    code = getattr(error, "verify_code", 0)
    if isinstance(error, ssl.SSLCertVerificationError) and code in (_EXPIRED, _NOT_YET) and not trusted:
        looks = "has expired" if code == _EXPIRED else "is not valid yet"
        return ClockError(
            f"{where}: its certificate {looks} by our clock, which says {clock} and is not synchronised: see "
            "to the clock first (`timedatectl`), it is tried again by itself; nothing was sent"
        )
    return UplinkError(explain(error, where, host=host, clock=clock))


def explain(error: OSError, where: str, *, host: str, clock: str = "") -> str:
    """Say what failed while talking TLS to *where*, and what to do; *clock* is our time of day, as text."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"{where}: {_verification(error, host, clock)}; nothing was sent"
    if isinstance(error, ssl.SSLEOFError | ConnectionResetError | BrokenPipeError):
        return f"{where} closed the connection during the TLS handshake; nothing was sent"
    name = getattr(error, "reason", "") or ""
    if name in _NO_TLS:
        return f"{where} does not speak TLS; is mqtts:// right for this port? nothing was sent"
    for alert, sentence in _ALERTS.items():
        if name.endswith(alert):
            return f"{where}: {sentence}"
    return f"{where}: TLS failed: {_plain(error)}; nothing was sent"


def _verification(error: ssl.SSLCertVerificationError, host: str, clock: str) -> str:
    code = error.verify_code
    told = f" (our clock says {clock}, and is synchronised)"
    if code in _NAMES:
        return f'its certificate is not made out to "{host}": use the name in the certificate as host'
    if code in _UNKNOWN:
        return "its certificate is signed by an authority we do not know: set `ca` to the broker's"
    if code == _EXPIRED:
        return f"its certificate has expired{told}: the broker needs a new one"
    if code == _NOT_YET:
        return f"its certificate is not valid yet{told}: it was made for later, or by a clock that was fast"
    return f"its certificate is refused: {error.verify_message}"


def _plain(error: OSError) -> str:
    reason = getattr(error, "reason", None)
    if isinstance(reason, str):
        return reason.lower().replace("_", " ")
    return error.strerror or str(error) or type(error).__name__


async def _ready(
    made: socket.socket, add: Callable[..., Any], remove: Callable[[socket.socket], Any]
) -> None:
    ready = asyncio.Event()
    add(made, ready.set)
    try:
        await ready.wait()
    finally:
        remove(made)
