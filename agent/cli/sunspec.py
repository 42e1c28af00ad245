"""Asks a SunSpec device what it measures, on a connection of its own, and gives the profile that follows."""

from __future__ import annotations

import asyncio
import tempfile
import tomllib
from pathlib import Path
from typing import Any, Final

from agent.core.errors import ConfigError, DriverError
from agent.resources import resource

FACTS: Final = "config/sunspec"
_SITE: Final = """\
[site]
city = "a"
id = "b"
gateway = "c"
[link.line]
driver = "modbus-tcp"
host = {host}
port = {port}
[device.it]
link = "line"
unit = {unit}
"""


def facts() -> list[dict[str, Any]]:
    """Give the definitions of the models that are known here."""
    files = sorted(resource(FACTS).iterdir(), key=lambda one: one.name)
    return [tomllib.loads(one.read_text("utf-8")) for one in files if one.name.endswith(".toml")]


def survey(where: str, unit: int, name: str) -> str:
    """Ask unit *unit* at *where* (HOST or HOST:PORT); raise ConfigError or DriverError with a sentence."""
    from agent.config.load import load
    from agent.core.clock import SystemClock
    from agent.core.driver import CanSurvey

    host, port = _parted(where)
    with tempfile.TemporaryDirectory() as folder:
        site = Path(folder) / "site.toml"
        site.write_text(_SITE.format(host=f'"{host}"', port=port, unit=unit), "utf-8")
        [line] = load(site).links
    assert isinstance(line.driver, CanSurvey)
    try:
        return asyncio.run(line.driver.survey("it", facts(), SystemClock(), name=name))
    except DriverError as error:
        raise DriverError(f"{where}: {error}") from error


def _parted(where: str) -> tuple[str, int]:
    """Take HOST, HOST:PORT, [IPV6] or [IPV6]:PORT apart."""
    host, _, port = where.rpartition(":") if where.count(":") == 1 or "]:" in where else (where, "", "502")
    host = host.strip("[]")
    if not host or not port.isdecimal() or not 0 < int(port) < 65536 or '"' in host or "\\" in host:
        raise ConfigError(f'"{where}" is no host; write 10.20.0.40 or 10.20.0.40:502')
    return host, int(port)
