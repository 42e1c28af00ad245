"""A site's plan whose every way out ends on this computer: links and brokers are led to loopback."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct
from msgspec.structs import replace

from agent.core.driver import CanBeLed
from agent.core.plan import Link, Plan

HOST = "127.0.0.1"


class Sealed(Struct, frozen=True):
    """The plan, and the links that were left out because they cannot be led elsewhere."""

    plan: Plan
    left_out: tuple[str, ...]


def seal(plan: Plan, port: int) -> Sealed:
    """Lead links and recipients to *port* of loopback, and outbox and metrics away from the site's own.

    No name, password or certificate goes along, and no proxy is asked.
    """
    recipients = tuple(
        replace(
            one, host=HOST, port=port, tls=None, username="", password="",
            proxy="", proxy_username="", proxy_password="",
        )
        for one in plan.recipients
    )  # fmt: skip
    led, left_out = lead(plan.links, port)
    outbox = replace(plan.outbox, path="")  # the folder that the gateway is told at its start
    sealed = replace(plan, links=tuple(led), recipients=recipients, outbox=outbox, metrics="")
    return Sealed(sealed, tuple(left_out))


def lead(links: Sequence[Link], port: int) -> tuple[list[Link], list[str]]:
    """Give the links that can be led, led to *port* of loopback, and the names of the others."""
    led, left_out = [], []
    for link in links:
        if isinstance(link.driver, CanBeLed):
            led.append(replace(link, driver=link.driver.led(HOST, port)))
        else:
            left_out.append(link.name)
    return led, left_out
