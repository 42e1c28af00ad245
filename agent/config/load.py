"""Compiles a configuration into a plan, or refuses it with a report of every fault in every file."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from agent.config import sources, tables
from agent.config.births import check_births
from agent.config.draft import Draft
from agent.config.hints import nearest
from agent.config.links import compile_links
from agent.config.policy import canonical_policy, policy_id
from agent.config.products import compile_products
from agent.config.releases import check_releases
from agent.config.seal import compile_edition
from agent.config.sharing import compile_sharing
from agent.config.widths import CALENDAR, width
from agent.config.wording import check_encodings
from agent.config.words import kind_of
from agent.core.errors import ConfigError
from agent.core.message import Place
from agent.core.plan import ClockPlan, OutboxPlan, Plan, Purpose
from agent.core.product import Product


def load(path: Path, *, today: date | None = None) -> Plan:
    """Read *path*, a file or a folder of ``*.toml``; raise ConfigError with the whole report.

    *today* tells which grants have ended; without it, the site's date is asked of the computer.
    """
    files = sources.find(path)
    if not files:
        raise ConfigError(
            f"{path}: there is no *.toml in this folder; write a site.toml there, or name another folder"
        )
    if not path.exists():
        raise ConfigError(f"{path}: there is no such file or folder; name the folder of your *.toml files")
    read = [sources.read(name, file, order) for order, (name, file) in enumerate(files)]
    draft = Draft(read, path if path.is_dir() else path.parent)
    plan = _compile(draft, today)
    if draft.faults or plan is None:
        from agent.config.report import report  # only somebody who made a mistake waits for it

        raise ConfigError(report(draft.faults))
    return plan


def outbox_folder(path: Path) -> str:
    """Give ``[outbox] path`` as the files at *path* say it; empty when they do not, whatever else they say.

    For commands that look at the outbox: a fault elsewhere in the files must not hide what has left.
    """
    read = [sources.read(name, file, order) for order, (name, file) in enumerate(sources.find(path))]
    table = Draft(read, path).tables.get("outbox")
    found = table.get("path") if isinstance(table, dict) else None
    return found if isinstance(found, str) else ""


def _compile(draft: Draft, today: date | None) -> Plan | None:
    _refuse_unknown(draft)
    site = _single(draft, "site", tables.Site)
    clock = _single(draft, "clock", tables.Clock)
    metrics = _single(draft, "metrics", tables.Metrics)
    outbox = _single(draft, "outbox", tables.Outbox)
    owner = _single(draft, "owner", tables.Owner)
    policy = _single(draft, "policy", tables.Policy)
    edition = compile_edition(draft, policy, site.city if site else "")
    zone = _zone(draft)
    purposes = _purposes(draft)
    links = compile_links(draft)
    products = compile_products(draft, links)
    sharing = compile_sharing(draft, products, purposes, today or datetime.now(zone or UTC).date())
    most = owner.max_release_cells if owner else 0
    check_releases(draft, products, sharing, most)
    if draft.faults or not site:
        return None
    place = Place(
        city=site.city, site=site.id, gateway=site.gateway, label=site.label, location=site.location
    )
    check_births(draft, place, products, sharing)
    check_encodings(draft, place, products, sharing.recipients, sharing.routes)
    _warn_of_utc(draft, products)
    owned = owner or tables.Owner(name="")
    canonical = canonical_policy(products, sharing, _terms(owned, purposes, most))
    return Plan(
        place=place,
        timezone=site.timezone,
        links=links.links,
        products=products,
        recipients=sharing.recipients,
        readers=sharing.readers,
        edition=edition,
        matched=tuple(draft.matched),
        grants=sharing.grants,
        routes=sharing.routes,
        policy=policy_id(canonical),
        terms=canonical,
        owner=owned.name,
        contact=owned.contact,
        dpo=owned.dpo,
        purposes=purposes,
        clock=ClockPlan(wait=float(clock.wait)) if clock else ClockPlan(),
        metrics=metrics.file if metrics else "",
        outbox=_outbox(outbox),
        warnings=draft.warnings(),
    )


def _terms(owner: tables.Owner, purposes: tuple[Purpose, ...], most: int) -> dict[str, Any]:
    terms: dict[str, Any] = {"owner": [owner.name, owner.contact, owner.dpo], "purposes": purposes}
    return {**terms, "max_release_cells": most} if most else terms


def _outbox(written: tables.Outbox | None) -> OutboxPlan:
    if written is None:
        return OutboxPlan()
    return OutboxPlan(path=written.path, cap=int(written.cap), keep=float(written.keep))


def _refuse_unknown(draft: Draft) -> None:
    for name in draft.tables.keys() - tables.SINGLE.keys() - tables.NAMED.keys():
        hint = nearest(name, [*tables.SINGLE, *tables.NAMED])
        draft.fault((name,), f'unknown table "{name}"', hint, at_key=True)
        if hint.startswith("did you mean"):
            draft.is_whole = False  # what seems to be missing stands in it


def _warn_of_utc(draft: Draft, products: Iterable[Product]) -> None:
    if "timezone" in draft.tables["site"]:
        return
    for one in products:
        if one.span in CALENDAR:
            text = f'[site] has no timezone: "{one.span}" begins by UTC'
            draft.warn(("product", one.id, "window"), text)


def _single(draft: Draft, name: str, wanted: Any) -> Any:  # noqa: ANN401 - one of the tables
    """Compile a table that occurs once; only ``[site]`` has to be there."""
    table = draft.tables.get(name)
    if table is None:
        if name == "site" and draft.is_whole:
            draft.fault((), "missing table [site]", "it says which city and site this is")
        return None
    if not isinstance(table, dict):
        draft.fault((name,), f"expected a table, got {kind_of(table)}", f"write [{name}]", at_key=True)
        return None
    return draft.settings(table, wanted, draft.where((name,)))


def _zone(draft: Draft) -> ZoneInfo | None:
    """Find the site's time zone, whatever else may be wrong with its table."""
    table = draft.tables.get("site")
    name = table.get("timezone", "UTC") if isinstance(table, dict) else "UTC"
    if not isinstance(name, str):
        return None
    try:
        return ZoneInfo(name)
    # ZoneInfoNotFoundError is a LookupError; a name of a thousand parts is looked for in as many folders
    except (ValueError, OSError, LookupError, RecursionError):
        from zoneinfo import available_timezones

        hint = nearest(name, available_timezones())
        draft.fault(("site", "timezone"), f'no time zone is called "{name}"', hint)
        return None


def _purposes(draft: Draft) -> tuple[Purpose, ...]:
    found = []
    for name, table in draft.named("purpose"):
        if made := draft.settings(table, tables.Purpose, draft.where(("purpose", name))):
            if made.finest:
                try:
                    width(made.finest)
                except ValueError as error:
                    draft.fault(("purpose", name, "finest"), str(error))
                    continue
            found.append(
                Purpose(name=name, iri=made.iri, description=made.description, finest=made.finest, k=made.k)
            )
    return tuple(found)
