"""All targets by name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from tests.fuzz.target import Target
from tests.fuzz.targets import bacnet, cameras, config, files, modbus, mqtt, outbox, serial, vision

_MODULES: Final = (modbus, serial, bacnet, mqtt, config, files, outbox, cameras, vision)
ALL: Final[Mapping[str, Target]] = {one.name: one for module in _MODULES for one in module.TARGETS}
