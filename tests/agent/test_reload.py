"""A reload touches what differs and nothing else."""

from __future__ import annotations

from msgspec.structs import replace

from agent.core.driver import LinkSettings
from agent.core.message import Place
from agent.core.plan import Link, OutboxPlan, Plan, Recipient
from agent.core.point import Point
from agent.core.product import Product, Route
from agent.reload import differences


class Line(LinkSettings):
    """A link as a driver describes it."""

    host: str = "10.0.0.5"

    def points(self) -> tuple[Point, ...]:
        return (Point(name=f"{self.name}-meter.power"),)

    async def run(self, *_: object) -> None:
        """Never asked."""


def _link(name: str, host: str = "10.0.0.5") -> Link:
    return Link(name=name, kind="line", driver=Line(name=name, host=host))


def _product(name: str, window: float = 60.0) -> Product:
    points = (Point(name="hall-meter.power"),)
    return Product(
        id=name, points=points, published=points, steps=(), window=window, span="1m", statistics=("mean",)
    )


def _plan() -> Plan:
    return Plan(
        place=Place(city="vaasa", site="library", gateway="gw1"),
        timezone="Europe/Helsinki",
        links=(_link("hall"), _link("roof")),
        products=(_product("energy"), _product("climate")),
        recipients=(Recipient(name="city", host="broker", port=8883),),
        grants=(),
        routes=(_route("energy"),),
        policy="0123456789ab",
    )


def _route(product: str) -> Route:
    return Route(recipient="city", product=product, grant="ops", purpose="operations", basis="law", keep=1e6)


def test_an_equal_plan_changes_nothing() -> None:
    changes = differences(_plan(), _plan())
    assert changes.sentence() == "nothing changed"
    assert not changes.sharing
    assert (changes.links_end, changes.links_begin, changes.products_end, changes.recipients_end) == ((),) * 4


def test_the_start_is_a_reload_from_nothing() -> None:
    changes = differences(None, _plan())
    assert [one.name for one in changes.links_begin] == ["hall", "roof"]
    assert [one.id for one in changes.products_begin] == ["energy", "climate"]
    assert changes.sharing
    assert changes.sentence().split("; ") == [
        "links: new hall, roof",
        "products: new climate, energy",
        "recipients: new city",
        "the sharing policy changed",
    ]


def test_only_the_link_that_differs_is_restarted() -> None:
    new = replace(_plan(), links=(_link("hall", host="10.0.0.6"), _link("roof"), _link("yard")))
    changes = differences(_plan(), new)
    assert changes.links_end == ("hall",)
    assert [one.name for one in changes.links_begin] == ["hall", "yard"]
    assert not changes.products_end
    assert not changes.sharing
    assert changes.sentence() == "links: new yard, changed hall"


def test_what_is_gone_ends() -> None:
    changes = differences(_plan(), replace(_plan(), links=(), products=(_product("energy"),), recipients=()))
    assert changes.links_end == ("hall", "roof")
    assert changes.products_end == ("climate",)
    assert changes.recipients_end == ("city",)
    assert not changes.recipients_begin


def test_a_new_grant_changes_only_the_sharing() -> None:
    changes = differences(_plan(), replace(_plan(), routes=(_route("energy"), _route("climate")), policy="f"))
    assert changes.sharing
    assert changes.sentence() == "the sharing policy changed"


def test_another_time_zone_restarts_the_products_and_another_place_the_recipients() -> None:
    rezoned = differences(_plan(), replace(_plan(), timezone="Europe/Oslo"))
    assert rezoned.products_end == ("energy", "climate")
    assert not rezoned.recipients_end
    moved = differences(_plan(), replace(_plan(), place=Place(city="vaasa", site="school", gateway="gw1")))
    assert moved.recipients_end == ("city",)
    assert moved.sharing


def test_another_outbox_waits_for_the_next_start() -> None:
    assert differences(_plan(), replace(_plan(), outbox=OutboxPlan(cap=10**9))).later == ("[outbox]",)


def test_a_hundred_products_are_counted_and_not_listed() -> None:
    many = tuple(_product(f"product-{number:03d}") for number in range(100))
    sentence = differences(None, replace(_plan(), products=many)).sentence()
    assert (
        "products: new product-000, product-001, product-002, product-003, product-004 and 95 more"
        in sentence
    )
    assert len(sentence) < 250
