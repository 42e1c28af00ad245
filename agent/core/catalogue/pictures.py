"""Lines of the process that sees pictures. It reaches no journal, so they go to its standard error."""

from __future__ import annotations

from logging import ERROR, WARNING
from typing import Final

from agent.core.catalogue.entry import Entry

VISION_NOT_CONFINED: Final = Entry(
    code="vision-not-confined",
    level=ERROR,
    text="citygate-vision refuses to look at pictures, because it is not confined: %s",
    title="The process that sees pictures is not confined, so nothing is counted",
    matters="An act that its unit has to forbid has worked. It ended with 78 before it looked at a picture; "
    "windows of its cameras say no_data and why.",
    act="`systemctl cat citygate-vision` shows drop-ins that weaken the unit: remove them, then "
    "`sudo citygate apply`. `citygate prove` tries the same acts again.",
)
VISION_CAMERA: Final = Entry(
    code="vision-camera-fault",
    level=WARNING,
    text="citygate-vision cannot count camera %s: %s",
    title="A camera cannot be counted as it is configured",
    matters="The others are counted. The gateway tells the same of its link, as camera-trouble.",
    act="Do what the line says; `citygate status` shows it until it is well.",
)
VISION_ENDS: Final = Entry(
    code="vision-ends",
    level=ERROR,
    text="citygate-vision ends: %s",
    title="The process that sees pictures cannot go on",
    matters="Nothing is counted until the gateway connects again, which starts it anew.",
    act="Do what the line says; if it stays, `citygate support` packs what is needed to report it.",
)
