"""MQTT brokers of other makes, each on loopback and with a folder of its own: aedes, NATS, RabbitMQ.

All three speak MQTT 3.1.1; what they refuse, they do not tell.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import pytest

from tests.peers import missing, need
from tests.peers.mosquitto import free_port

_RABBIT_HOME: Final = "/usr/lib/rabbitmq/bin"
_HERE: Final = Path(__file__).parent
_NODE_MODULES: Final = _HERE.parents[1] / "build" / "peers" / "npm" / "node_modules"
_PATIENCE: Final = 60.0

_NATS: Final = """\
listen: "127.0.0.1:{other}"
server_name: "citygate-test"
jetstream {{ store_dir: "{folder}/store" }}
mqtt {{ listen: "127.0.0.1:{port}" }}
{web}
"""
_NATS_WEB: Final = 'websocket {{ listen: "127.0.0.1:{web}", no_tls: true }}'
_RABBIT: Final = """\
listeners.tcp.1 = 127.0.0.1:{other}
mqtt.listeners.tcp.1 = 127.0.0.1:{port}
mqtt.allow_anonymous = true
mqtt.default_user = guest
{web}
"""
_RABBIT_WEB: Final = "web_mqtt.tcp.listener = 127.0.0.1:{web}"


class Broker:
    """One broker; it may be killed and started again on its port.

    ``web`` is the port where it takes MQTT within WebSocket, at ``path``; None: nowhere.
    """

    path = "/mqtt"

    def __init__(self, folder: Path, *, web: bool = False) -> None:
        self.folder = folder
        self.port, self.other = free_port(), free_port()
        self.web = free_port() if web else None
        self._process: subprocess.Popen[bytes] | None = None

    def command(self) -> list[str]:
        """Write what it reads, and give the words that start it."""
        raise NotImplementedError

    def environment(self) -> Mapping[str, str]:
        """Give what it wants to find in its environment."""
        return {}

    def start(self) -> None:
        """Start, and return when its port answers."""
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                self.command(),
                stdout=log,
                stderr=log,
                env={**os.environ, **self.environment()},
                start_new_session=True,
            )
        until = time.monotonic() + _PATIENCE
        while not self._answers():
            assert self._process.poll() is None, (self.folder / "log").read_text("utf-8")
            assert time.monotonic() < until, "it does not listen"
            time.sleep(0.05)

    def kill(self) -> None:
        """End it and what it started, as a power cut would."""
        if self._process is not None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait(_PATIENCE)
            self._process = None

    def _answers(self) -> bool:
        for port in (self.web, self.port) if self.web else (self.port,):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) != 0:
                    return False
        return True


class Aedes(Broker):
    """A broker in JavaScript; it keeps nothing."""

    @staticmethod
    def is_there() -> bool:
        """Say whether npm has brought it, with WebSocket."""
        return all((_NODE_MODULES / name).is_dir() for name in ("aedes", "ws"))

    def command(self) -> list[str]:
        node = need("node")
        if not (_NODE_MODULES / "aedes").is_dir():
            missing("the npm package aedes (make peers)")
        if self.web is not None:
            if not (_NODE_MODULES / "ws").is_dir():
                missing("the npm package ws (make peers)")
            self.port = self.web  # one of both: subscribers come the same way
        return [node, str(_HERE / "aedes_process.js"), str(self.port), *(["web"] if self.web else [])]

    def environment(self) -> Mapping[str, str]:
        return {"NODE_PATH": str(_NODE_MODULES)}


class Nats(Broker):
    """A message system in Go, whose JetStream speaks MQTT as well."""

    def command(self) -> list[str]:
        settings = self.folder / "nats.conf"
        web = _NATS_WEB.format(web=self.web) if self.web else ""
        text = _NATS.format(port=self.port, other=self.other, folder=self.folder, web=web)
        settings.write_text(text, "utf-8")
        return [need("nats-server"), "-c", str(settings)]


class Rabbit(Broker):
    """A message system in Erlang, with its MQTT plug-in."""

    path = "/ws"

    def command(self) -> list[str]:
        if not Path(_RABBIT_HOME).is_dir():  # never required: it brings 100 MB of Erlang
            pytest.skip("needs rabbitmq-server, which is not installed here")
        web = _RABBIT_WEB.format(web=self.web) if self.web else ""
        text = _RABBIT.format(port=self.port, other=self.other, web=web)
        (self.folder / "rabbitmq.conf").write_text(text, "utf-8")
        plugins = "rabbitmq_mqtt,rabbitmq_web_mqtt" if self.web else "rabbitmq_mqtt"
        (self.folder / "plugins").write_text(f"[{plugins}].", "utf-8")
        # its register of names would outlive it; the server in the path wants a user of its own
        names = f'epmd -port "$ERL_EPMD_PORT" & exec {_RABBIT_HOME}/rabbitmq-server'
        return ["/bin/sh", "-c", names]

    def environment(self) -> Mapping[str, str]:
        return {
            "HOME": str(self.folder),
            "RABBITMQ_NODENAME": f"citygate{self.port}@localhost",
            "RABBITMQ_CONFIG_FILE": str(self.folder / "rabbitmq"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(self.folder / "plugins"),
            "RABBITMQ_MNESIA_BASE": str(self.folder / "mnesia"),
            "RABBITMQ_LOG_BASE": str(self.folder),
            "RABBITMQ_PID_FILE": str(self.folder / "pid"),
            "RABBITMQ_DIST_PORT": str(free_port()),
            "ERL_EPMD_PORT": str(free_port()),
        }
