"""An MQTT 5 broker for the demo, on loopback only: rumqttd, from the package ``iotcore``.

Anybody on this computer may connect; a city's broker asks for TLS and a password. It keeps nothing on disk.
"""

from __future__ import annotations

import argparse
import logging
import signal
import socket
from pathlib import Path

_SETTINGS = """\
id = 0

[router]
id = 0
max_connections = 20
max_outgoing_packet_count = 200
max_segment_size = 1048576
max_segment_count = 10

[v5.1]
name = "v5"
listen = "127.0.0.1:{port}"
next_connection_delay_ms = 1

[v5.1.connections]
connection_timeout_ms = 10000
max_payload_size = 262144
max_inflight_count = 100
dynamic_filters = true
"""


def free_port() -> int:
    """Give a TCP port of loopback that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def main() -> None:
    """Serve until terminated."""
    from iotcore import IotCoreBroker

    parser = argparse.ArgumentParser(description="Serve MQTT 5 on loopback.")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--settings", type=Path, required=True, help="file to write rumqttd's settings to")
    args = parser.parse_args()
    args.settings.write_text(_SETTINGS.format(port=args.port), encoding="utf-8")
    # rumqttd reports each packet as an error
    logging.getLogger("rumqttd").setLevel(logging.CRITICAL)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)  # while rumqttd runs, no handler in Python gets a turn
    IotCoreBroker(config_path=str(args.settings)).run_forever()


if __name__ == "__main__":
    main()
