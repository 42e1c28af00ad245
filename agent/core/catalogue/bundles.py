"""Lines about configurations from a distance."""

from __future__ import annotations

from logging import ERROR, INFO
from typing import Final

from agent.core.catalogue.entry import Entry

BUNDLE_ON_TRIAL: Final = Entry(
    code="bundle-on-trial",
    level=INFO,
    text="bundle %d, signed by %s, is on trial",
    title="A configuration from a distance is on trial",
    matters="It is kept when all that did well before does so for a minute, and taken back by itself when "
    "that does not come within ten.",
    act="Nothing. `citygate bundle show` tells how it stands.",
)
BUNDLE_KEPT: Final = Entry(
    code="bundle-kept",
    level=INFO,
    text="bundle %d, signed by %s, is kept: the gateway does well",
    title="A configuration from a distance is kept",
    matters="No bundle with a lower number is taken any more.",
    act="Nothing.",
)
BUNDLE_TAKEN_BACK: Final = Entry(
    code="bundle-taken-back",
    level=ERROR,
    text="bundle %d, signed by %s, is taken back: %s",
    title="A configuration from a distance was taken back",
    matters="The files before are in force again; what was meant to change has not changed.",
    act="The line says what did not do well. Correct it, and make a bundle with a higher number.",
)
