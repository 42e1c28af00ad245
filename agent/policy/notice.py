"""Tells a broker's owner when somebody's right to read there has ended, with the list that should hold now.

What is read at another's broker is there already: the gateway can only say that it should stop.
"""

from __future__ import annotations

from datetime import date
from typing import Final

from agent.core.errors import ConfigError
from agent.core.plan import Plan

Reads = frozenset[tuple[str, str]]
_LONGEST: Final = 32 * 1024  # characters that a status carries beside its figures


class Notices:
    """The ends of readers' grants, as long as the gateway runs."""

    def __init__(self) -> None:
        self._plan: Plan | None = None
        self._withdrawn: set[str] = set()  # recipients at whose broker a reader lost something by a reload
        self._made: dict[str, tuple[str, ...]] = {}
        self._day: date | None = None

    def configure(self, plan: Plan) -> None:
        """Take over *plan*; what a reader had by the plan before and no longer has is withdrawn."""
        if self._plan is not None:
            for via in {one.via for one in self._plan.readers}:
                if _reads(self._plan, via) - _reads(plan, via):
                    self._withdrawn.add(via)
        self._plan, self._made = plan, {}

    def lines(self, recipient: str, utc: float) -> tuple[str, ...]:
        """Give the access list that the broker of *recipient* should have; empty while nothing has ended."""
        plan = self._plan
        if plan is None or not (self._withdrawn or any(one.via == recipient for one in plan.readers)):
            return ()
        from agent.policy.deals import site_date  # few sites have readers at another's broker

        today = site_date(plan, utc)
        if today != self._day:
            self._day, self._made = today, {}
        if recipient not in self._made:
            self._made[recipient] = self._list(plan, recipient, today)
        return self._made[recipient]

    def _list(self, plan: Plan, recipient: str, today: date) -> tuple[str, ...]:
        names = {one.name for one in plan.readers if one.via == recipient}
        ends = [one.until for one in plan.grants if one.recipient in names and one.until]
        has_ended = any(date.fromisoformat(one) < today for one in ends)
        broker = next((f"{x.host}:{x.port}" for x in plan.recipients if x.name == recipient), "")
        if not broker or not (has_ended or recipient in self._withdrawn):
            return ()
        from agent.policy.acl import access_list

        try:
            lines = tuple(one for one in access_list(plan, broker, today).splitlines() if one)
        except ConfigError:
            return ()  # names that no list can hold; `citygate policy export` says so to a person
        if sum(map(len, lines)) > _LONGEST:
            return (f"{lines[0]}: too long for a status; run `citygate policy export`",)
        return lines


def _reads(plan: Plan, via: str) -> Reads:
    """Give what is read at the broker of recipient *via*: user names with their products."""
    users = {one.name: one.username for one in plan.readers if one.via == via}
    return frozenset(
        (users[grant.recipient], product)
        for grant in plan.grants
        if grant.recipient in users
        for product in grant.products
    )
