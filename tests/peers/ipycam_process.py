"""A camera made with ipycam, as far as ONVIF goes: it streams nothing.

Runs in a process of its own, with ipycam on PYTHONPATH. Its argument is JSON: the fields of ipycam's own
configuration, and ``discovery`` (true: it answers when everybody is asked). It prints its port.
"""

from __future__ import annotations

import json
import sys
import time
from http.server import ThreadingHTTPServer
from types import SimpleNamespace
from typing import Any

from ipycam.config import CameraConfig
from ipycam.discovery import WSDiscoveryServer
from ipycam.http import IPCameraHTTPHandler
from ipycam.onvif import ONVIFService


def main() -> None:
    """Serve until killed."""
    told: dict[str, Any] = json.loads(sys.argv[1])
    discovery = told.pop("discovery", False)
    server = ThreadingHTTPServer(("127.0.0.1", 0), IPCameraHTTPHandler)
    config = CameraConfig(local_ip="127.0.0.1", onvif_port=server.server_port, **told)
    service = ONVIFService(config)
    IPCameraHTTPHandler.camera = SimpleNamespace(config=config, onvif=service)
    if discovery:
        WSDiscoveryServer(service).start()
        time.sleep(0.1)
    sys.stdout.write(f"{server.server_port}\n")
    sys.stdout.flush()
    server.serve_forever()


main()
