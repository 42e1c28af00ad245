"""The TLS of Modbus Security: both sides show a certificate, TLS 1.2 at least."""

from __future__ import annotations

import os
import ssl

from agent.core.errors import ConfigError
from agent.core.secrets import secret_file
from drivers.modbus.session import LinkLostError


def context(ca: str, certificate: str, key: str) -> ssl.SSLContext:
    """Make our context, each a file or ``credential:NAME``; raise DriverError when it cannot be used."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    made.minimum_version = ssl.TLSVersion.TLSv1_2
    what = ca
    try:
        made.load_verify_locations(cafile=secret_file(ca))
        what = f"{certificate} with {key}"
        made.load_cert_chain(secret_file(certificate), secret_file(key))
    except ConfigError as error:  # a credential may still be put in place
        raise LinkLostError(str(error)) from error
    except ssl.SSLError as error:
        raise LinkLostError(f"{what}: no certificate that can be used ({error.reason})") from error
    except OSError as error:
        raise LinkLostError(f"{what}: {os.strerror(error.errno or 0)}") from error
    return made
