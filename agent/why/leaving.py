"""The second part of the way: from a product over gate and outbox to the broker of one recipient."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from typing import Final

from agent.config.brokers import is_loopback
from agent.core.plan import Recipient
from agent.core.point import Point
from agent.core.product import Product, Route
from agent.core.record import State
from agent.flow import Work
from agent.gateway import Gateway
from agent.journal import spoken
from agent.uplink.reasons import meaning
from agent.why.advice import advice
from agent.why.stage import Stage, doubtful, passes, stops

_NOT_AUTHORISED: Final = 0x87
_BACKLOG: Final = 120.0  # seconds that a message may wait before it counts as one of a backlog


def made(gateway: Gateway, product: Product, point: Point | None) -> list[Stage]:
    """Say whether *product* has made figures; of *point*, if one is given."""
    if not gateway.flow.open:
        says = "samples are held until the clock is synchronised, or the wait for it ends"
        return [stops("clock", says, "`timedatectl` tells whether a time server is reached")]
    work = gateway.flow.works.get(product.id)
    if work is None:
        return [stops("product", f"{product.id} has not begun", "journalctl -u citygate -n 50")]
    if not work.records:
        return [_first_window(gateway, product)]
    names = [point.name] if point and point.name in work.made else list(work.made)
    return [_figures(work, names), *_privacy(gateway, work, names)]


def leaves(gateway: Gateway, product: Product, recipient: Recipient) -> list[Stage]:
    """Walk from the gate to the broker of *recipient*; ends with the first stage that stops it."""
    assert gateway.plan is not None
    routes = [one for one in gateway.plan.routes if one.product == product.id]
    route = next((one for one in routes if one.recipient == recipient.name), None)
    found = [_confined(gateway, product, recipient), _grant(gateway, product, recipient, route)]
    if route is not None:
        found += [_outbox(gateway, route), _uplink(gateway, recipient), *_route(gateway, route, recipient)]
    return found


def _first_window(gateway: Gateway, product: Product) -> Stage:
    if not product.window:
        return doubtful("window", f"nothing has happened yet that {product.id} tells as an event")
    ends = ""
    if product.window <= 3600:
        now = gateway.clock.now().utc
        end = datetime.fromtimestamp((now // product.window + 1) * product.window, UTC)
        ends = f"; the present one ends at {end:%H:%M:%S} UTC"
    says = f"no window of {product.span} has closed yet{ends}"
    return stops("window", says, f"wait for one window of {product.span}")


def _figures(work: Work, names: list[str]) -> Stage:
    name = work.product.id
    if not names:
        return passes("window", f"{name} has made {work.records} records")
    states = [work.made[one] for one in names]
    empty = [why for state, why in states if state == State.NO_DATA]
    if len(empty) == len(states):
        why = (empty[0] or "nothing was read").replace("_", " ")
        return doubtful("window", f"the last window had no data: {why}", advice(empty[0]))
    if empty or any(state in (State.PARTIAL, State.UNCERTAIN) for state, _ in states):
        why = next((why for _, why in states if why), "not all was observed").replace("_", " ")
        says = f"the last window of {name} is not whole: {why}"
        return doubtful("window", says, advice(next((why for _, why in states if why), "")))
    return passes("window", f"{name} has made {work.records} records; its last window is whole")


def _privacy(gateway: Gateway, work: Work, names: list[str]) -> list[Stage]:
    privacy = work.product.privacy
    if privacy.mode == "none":
        return []
    told = gateway.flow.gate.told.get(work.product.id, {})
    last = Counter(told.get(one, "held") for one in names)
    act = "`citygate utility` shows what another k, window or mode would leave"
    if last["held"] == len(names):
        says = f"mode {privacy.mode} holds the counts until there are enough of them (k = {privacy.k})"
        return [stops("privacy", says, act)]
    if last[State.SUPPRESSED] == len(names):
        least = f"{privacy.min_sources} sources" if privacy.mode == "min-sources" else f"k = {privacy.k}"
        says = f"the last figures were withheld by mode {privacy.mode} ({least}): they leave as suppressed"
        return [doubtful("privacy", says, act)]
    return [passes("privacy", f"mode {privacy.mode} lets the last figures leave")]


def _confined(gateway: Gateway, product: Product, recipient: Recipient) -> Stage:
    if product.id in gateway.flow.gate.unconfined and not is_loopback(recipient.host):
        says = f"{product.id} holds counts of a citygate-vision without a cage: it stays on this computer"
        return stops("gate", says, "run cameras under citygate-vision.service, then restart citygate")
    return passes("gate", "nothing keeps it on this computer")


def _grant(gateway: Gateway, product: Product, recipient: Recipient, route: Route | None) -> Stage:
    if route is None:
        says = f"no grant shares {product.id} with {recipient.name}"
        return stops("grant", says, "a [grant.NAME] in sharing.toml would: that is for the city to decide")
    if route.id not in {one.id for one in gateway.flow.routes}:
        says = f"grant {route.grant} ended on {route.until}"
        return stops("grant", says, "a later `until` in sharing.toml opens it again: for the city to decide")
    return passes("grant", f"grant {route.grant} shares it for {route.purpose}")


def _outbox(gateway: Gateway, route: Route) -> Stage:
    if trouble := gateway.outbox.trouble:
        says = f"the disk under the outbox fails, messages wait in memory: {trouble}"
        return doubtful("outbox", says, "df -h /var/lib/citygate")
    queue = gateway.outbox.queue(route.recipient)
    if queue.oldest is not None and (age := gateway.clock.now().utc - queue.oldest) > _BACKLOG:
        says = f"{queue.n} messages wait for {route.recipient}, the oldest for {spoken(age)}"
        return doubtful("outbox", f"{says}; what is new goes first")
    return passes("outbox", f"{queue.n} messages wait for {route.recipient}")


def _uplink(gateway: Gateway, recipient: Recipient) -> Stage:
    name, where = recipient.name, f"{recipient.host}:{recipient.port}"
    uplink, life = gateway.uplinks.get(name), gateway.supervisor.lives.get(f"uplink {name}")
    if uplink is not None and uplink.connected:
        return passes("uplink", f"connected to {where}")
    if uplink is not None and (stopped := uplink.figures.get("stopped")):
        return stops("uplink", str(stopped), "correct one of them, then `systemctl reload citygate`")
    if life is not None and life.state == "waiting":
        again = spoken(max(1.0, round(life.next_try - gateway.clock.boot())))
        says = f"the broker at {where} is away: {life.why}; next try in {again}"
        return stops("uplink", says, "nothing is lost; see to what the sentence names")
    return stops("uplink", f"not connected to {where} yet", "wait some seconds")


def _route(gateway: Gateway, route: Route, recipient: Recipient) -> list[Stage]:
    uplink = gateway.uplinks.get(recipient.name)
    word = uplink.words().get(route.id, "ok") if uplink is not None else "ok"
    if word == "ok":
        return [passes("broker", "the broker takes it")]
    if word == "held":
        return [stops("broker", "nobody has subscribed to it there, so it waits", "start the subscriber")]
    if word.startswith("refused"):
        code = int(word.partition(":")[2] or "0", 16)
        act = "the broker must let us write: `citygate policy export ./out` writes its access list"
        says = f"the broker refuses it: {meaning(code)}"
        return [stops("broker", says, act if code == _NOT_AUTHORISED else "see to the broker; it waits here")]
    return [stops("broker", f"the route is {word}", "`citygate status` tells more")]
