"""Writes the access list of a mosquitto: who may write and read what at one broker, and nothing else.

The lists of several gateways at one broker are laid one after the other. A grant that has ended is no longer
in them. It refuses names that an access list would read as something else.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Final

from agent.core.errors import ConfigError
from agent.core.message import CanLimit, CanTalk
from agent.core.plan import Plan, Reader, Recipient
from agent.policy.deals import deals
from agent.registry import encoder

NATIVE: Final = "native"


def brokers(plan: Plan) -> dict[str, list[Recipient]]:
    """Give the brokers as ``host:port``, each with the recipients that it belongs to."""
    found: dict[str, list[Recipient]] = {}
    for one in plan.recipients:
        found.setdefault(f"{one.host}:{one.port}", []).append(one)
    return found


def access_list(plan: Plan, broker: str, today: date) -> str:
    """Write the list for *broker* (``host:port``); raise ConfigError if it is none of the plan's."""
    owners = brokers(plan).get(broker)
    if owners is None:
        raise ConfigError(f'no recipient has the broker "{broker}"; there are {", ".join(brokers(plan))}')
    place = plan.place
    root = f"citygate/1/{place.city}/{place.site}/{place.gateway}"
    lines = [f"# {place.city}/{place.site}/{place.gateway} at {broker}: policy {plan.policy}, {today}"]
    for owner in owners:
        login = login_of(plan, owner)
        if login == owner.name:
            raise ConfigError(
                f'the gateway logs in at {broker} as "{login}", which is also the name of the recipient that'
                " reads there; give the gateway a user name of its own"
            )
        if owner.encoding != NATIVE:
            lines += _foreign(plan, owner, login, today)
            continue
        writes = ("s", "b/#", "d/+", "l", *(["r/#"] if owner.commands else []))
        lines += ["", f"user {login}", *(f"topic write {root}/{one}" for one in writes)]
        lines += [f"topic read {root}/c/{one}" for one in owner.commands]
        itself = Reader(name=owner.name, via=owner.name, username=owner.name, witness=owner.witness)
        lines += _reads(
            plan, root, itself, today, [f"{root}/s", *([f"{root}/r/#"] if owner.commands else [])]
        )
        # nobody else reads r: what is sent again is for who asked, as it had been before
        lines += [f"topic write {root}/c/{one}" for one in owner.commands]
        for reader in plan.readers:
            if reader.via == owner.name:
                lines += _reads(plan, root, reader, today)
    return "\n".join([*lines, ""])


def _foreign(plan: Plan, owner: Recipient, login: str, today: date) -> list[str]:
    """Give the lines of a recipient whose encoding has topics of its own; readers get their products."""
    encoding = encoder(owner, plan.place)
    if not isinstance(encoding, CanLimit):
        return ["", f"# {owner.name}: {owner.encoding} has access rules of its own; see citygate export"]
    products = {one.id: one for one in plan.products}

    def granted(name: str) -> list[str]:
        mine = [one.product for one in deals(plan, today) if one.recipient == name and not one.ended]
        return [topic for one in mine for topic in encoding.topics(products[one])]

    own = encoding.topics(None)
    heard = encoding.talk(0, lambda: 0.0).topics if isinstance(encoding, CanTalk) else ()
    lines = ["", f"user {login}", *(f"topic write {one}" for one in (*own, *granted(owner.name)))]
    lines += [f"topic read {one}" for one in heard]
    lines += ["", f"user {owner.name}", *(f"topic read {one}" for one in (*own, *granted(owner.name)))]
    lines += [f"topic write {one}" for one in heard]
    for reader in plan.readers:
        if reader.via == owner.name and (topics := granted(reader.name)):
            lines += ["", f"user {reader.username}", *(f"topic read {one}" for one in topics)]
    return lines


def login_of(plan: Plan, recipient: Recipient) -> str:
    """Give the user name of the gateway at a broker: as written, else what its certificate should say."""
    name = recipient.username
    if not name or name.startswith("credential:"):
        return f"{plan.place.city}-{plan.place.site}-{plan.place.gateway}"
    if name.isprintable() and not any(one in name for one in " +#/"):
        return name
    raise ConfigError(f'an access list cannot hold the user name "{name}"; choose a plain one')


def _reads(plan: Plan, root: str, reader: Reader, today: date, more: Sequence[str] = ()) -> list[str]:
    granted = [one.product for one in deals(plan, today) if one.recipient == reader.name and not one.ended]
    topics = [*more, *([f"{root}/l"] if reader.witness and (granted or more) else [])]
    # a large birth comes in parts, on topics below its own
    topics += [one for name in granted for one in (f"{root}/b/{name}/#", f"{root}/d/{name}")]
    return ["", f"user {reader.username}", *(f"topic read {one}" for one in topics)] if topics else []
