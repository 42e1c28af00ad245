"""Try the way to a recipient's broker step by step: name, TLS, WebSocket, welcome, each topic, who listens.

The gateway may run meanwhile: the client id ends with -test, nothing is retained, each message is empty.
Topics of data are tried for the native format alone, whose readers pass over what is empty. The exit status
is 1 when a step stops.

For example:
  citygate uplink test city
  citygate uplink test city --config ./site
  citygate uplink test city --json
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from agent.cli import options
from agent.cli.screen import sentence, table
from agent.core.errors import ConfigError

if TYPE_CHECKING:
    import argparse

    from agent.core.plan import Plan, Recipient
    from agent.uplink.trial import Finding

_MARKS: Final = {"passes": "ok", "doubtful": "but", "stops": "STOP"}
_PATIENCE: Final = 10.0


def add(parser: argparse.ArgumentParser) -> None:
    """Add what `citygate uplink` takes."""
    parser.add_argument("action", metavar="ACTION", choices=["test"], help="test")
    parser.add_argument("recipient", metavar="RECIPIENT", help="its name in the configuration")
    options.config(parser)
    options.json(parser)


def run(args: argparse.Namespace) -> int:
    """Print each step as far as it goes."""
    import asyncio

    from agent.config.load import load

    plan = load(args.folder)
    found = asyncio.run(_try(plan, _recipient(plan, args.recipient)))
    if args.json:
        import msgspec

        print(msgspec.json.encode(found).decode())
    else:
        print(shown(args.recipient, found))
    return 1 if any(one.verdict == "stops" for one in found) else 0


def _recipient(plan: Plan, name: str) -> Recipient:
    known = {one.name: one for one in plan.recipients}
    if name not in known:
        raise ConfigError(f'no recipient is called "{name}"; known: {", ".join(known) or "none"}')
    return known[name]


async def _try(plan: Plan, recipient: Recipient) -> list[Finding]:
    from agent.registry import encoder
    from agent.uplink.call import call_of
    from agent.uplink.trial import trial, unsaid

    place = plan.place
    will = encoder(recipient, place).will("0", 1)
    call = call_of(recipient, f"{place.city}-{place.site}-{place.gateway}", _PATIENCE, will)
    mine = [one.product for one in plan.routes if one.recipient == recipient.name]
    if recipient.encoding != "native":
        found = await trial(call, ())
        stopped = any(one.verdict == "stops" for one in found)
        return found if stopped else [*found, *unsaid(mine, recipient.encoding)]
    root = will.topic.removesuffix("/s")
    topics = [f"{root}/d/{product}" for product in mine]
    if recipient.commands:
        topics.append(f"{root}/r")
    if "replay" in recipient.commands:
        topics += [f"{root}/r/{product}" for product in mine]
    return await trial(call, topics, [f"{root}/c/{verb}" for verb in recipient.commands])


def shown(name: str, found: list[Finding]) -> str:
    """Draw what was found, and what to do about it."""
    rows = [[one.step, _MARKS[one.verdict], one.says] for one in found]
    acts = list(dict.fromkeys(one.act for one in found if one.act and one.verdict == "stops"))
    doubts = list(dict.fromkeys(one.act for one in found if one.act and one.verdict == "doubtful"))
    end = [*(sentence(f"Next: {one}") for one in acts), *(sentence(f"But see: {one}") for one in doubts)]
    return "\n".join([name, table(("step", "", "what was found"), rows), *(end or ["It would arrive."])])
