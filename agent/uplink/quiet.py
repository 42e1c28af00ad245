"""Keeps one harmless noise out of the log: a writer added for a socket that broke a moment before.

aiomqtt adds writers a turn of the loop later than paho asks for them. Our own client guards against it;
this is for what slips through. Anything else goes to the handler that was there before.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Any

_log = logging.getLogger(__name__)


def quiet_paho(loop: asyncio.AbstractEventLoop) -> None:
    """Install an exception handler on *loop* that demotes exactly this noise to DEBUG."""
    before = loop.get_exception_handler()

    def handle(where: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        if _is_noise(context):
            _log.debug("a socket broke before it could be written to: %s", context.get("exception"))
        elif before is not None:
            before(where, context)
        else:
            where.default_exception_handler(context)

    loop.set_exception_handler(handle)


def _is_noise(context: dict[str, Any]) -> bool:
    trouble = context.get("exception")
    return isinstance(trouble, OSError | KeyError | ValueError) and "add_writer" in str(
        context.get("message")
    )
