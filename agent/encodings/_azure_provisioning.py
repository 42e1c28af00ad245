"""The exchange with Azure's Device Provisioning Service over MQTT: who am I, and which hub is mine.

Pure: what to say next follows from what was heard. A device says that it wants to be registered, asks now and
then whether it is done, and is told its hub.
"""

from __future__ import annotations

import json
import re
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

from agent.core.message import Message
from agent.core.platform import Assigned, Step

_ROOT: Final = "$dps/registrations"
_PAUSE: Final = 3.0  # seconds between two questions, where the service names none
_LONGEST: Final = 600
_SECONDS: Final = re.compile(r"\d{1,9}", re.ASCII)
_ACCEPTED: Final = 202


class Registration:
    """One registration on its way."""

    topics = (f"{_ROOT}/res/#",)

    def __init__(self, device: str) -> None:
        self._device = device
        self._asked = 0
        self._operation = ""

    def next(self) -> Message:
        """Give what is to be said now: the wish, or the question whether it is done."""
        self._asked += 1
        if not self._operation:
            body = json.dumps({"registrationId": self._device}).encode()
            return _said(f"{_ROOT}/PUT/iotdps-register/?$rid={self._asked}", body)
        asked = f"?$rid={self._asked}&operationId={self._operation}"
        return _said(f"{_ROOT}/GET/iotdps-get-operationstatus/{asked}", b"")

    def hear(self, topic: str, body: bytes) -> Step | Assigned | None:
        """Judge an answer: when to ask again, or what was assigned; None: not for us. Raise ValueError."""
        path, _, query = topic.partition("/?")
        if not path.startswith(f"{_ROOT}/res/"):
            return None
        asked = parse_qs(urlsplit(f"?{query}").query)
        if asked.get("$rid") != [str(self._asked)]:
            return None
        status, told = int(path.rpartition("/")[2]), _read(body)
        if status >= 300:
            text = told.get("message") or f"status {status}"
            raise ValueError(f"the provisioning service does not take this device: {text}")
        self._operation = str(told.get("operationId", self._operation))
        if status == _ACCEPTED or told.get("status") == "assigning":
            return Step(_pause(asked.get("retry-after", [""])[0]))
        state = told.get("registrationState")
        if not isinstance(state, dict):
            state = {}
        if told.get("status") != "assigned" or not state.get("assignedHub"):
            why = state.get("errorMessage") or told.get("status", "no hub")
            raise ValueError(f"the provisioning service assigns no hub: {why}")
        return Assigned(str(state["assignedHub"]), str(state.get("deviceId", self._device)))


def _said(topic: str, body: bytes) -> Message:
    return Message(topic=topic, body=body, kind="status")


def _pause(text: str) -> float:
    """Read after how many seconds to ask again; whatever the service says, it is asked again soon."""
    return float(min(int(text), _LONGEST)) if _SECONDS.fullmatch(text) else _PAUSE


def _read(body: bytes) -> dict[str, Any]:
    try:
        found = json.loads(body or b"{}")
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
