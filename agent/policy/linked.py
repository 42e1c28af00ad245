"""Writes the policy as linked data: products as a DCAT-AP catalogue, grants as ODRL agreements (JSON-LD).

Both are exports for catalogues and contracts, never read back. Nothing is claimed that the policy does not
say: a purpose without an identifier in a public vocabulary gets one of its own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from agent.core.plan import Plan
from agent.core.product import Product
from agent.policy.deals import Deal

Json = dict[str, Any]
_ACCESS: Final = "http://publications.europa.eu/resource/authority/access-right/"
_XSD: Final = "http://www.w3.org/2001/XMLSchema#"
_JSON: Final = "https://www.iana.org/assignments/media-types/application/json"
_RATE: Final = "urn:citygate:term:rate"  # ODRL knows a count and an interval, but no count in an interval
_CALENDAR: Final = {"day": "P1D", "week": "P7D", "month": "P1M"}
_UNITS: Final = ((86400, "P", "D"), (3600, "PT", "H"), (60, "PT", "M"), (1, "PT", "S"))
_DCAT: Final = {
    "dcat": "http://www.w3.org/ns/dcat#",
    "dct": "http://purl.org/dc/terms/",
    "foaf": "http://xmlns.com/foaf/0.1/",
    "vcard": "http://www.w3.org/2006/vcard/ns#",
    "xsd": _XSD,
}


def catalogue(plan: Plan, deals: Sequence[Deal]) -> Json:
    """Give the products that somebody is granted as a DCAT-AP catalogue."""
    place, products = plan.place, {one.id: one for one in plan.products}
    by_product: dict[str, list[Deal]] = {}
    for one in deals:
        if not one.ended:
            by_product.setdefault(one.product, []).append(one)
    publisher = {"@type": "foaf:Agent", "foaf:name": plan.owner or place.city}
    return {
        "@context": _DCAT,
        "@id": _urn(plan, "catalogue"),
        "@type": "dcat:Catalog",
        "dct:title": f"Data of {place.label or place.site} in {place.city}",
        "dct:description": f"What gateway {place.gateway} shares under policy {plan.policy}.",
        "dct:publisher": publisher,
        "dcat:dataset": [
            _dataset(plan, products[name], found, publisher) for name, found in by_product.items()
        ],
    }


def agreements(plan: Plan, deals: Sequence[Deal]) -> list[Json]:
    """Give one ODRL agreement per grant that has not ended."""
    iris = {one.name: one.iri for one in plan.purposes if one.iri}
    grants: dict[str, list[Deal]] = {}
    for one in deals:
        if not one.ended:
            grants.setdefault(one.grant, []).append(one)
    return [_agreement(plan, name, found, iris) for name, found in grants.items()]


def period(seconds: float) -> str:
    """Write a stretch of time as ISO 8601 does, in its largest whole unit."""
    for size, head, unit in _UNITS:
        if seconds >= size and seconds % size == 0:
            return f"{head}{int(seconds) // size}{unit}"
    return f"PT{seconds:g}S"


def _dataset(plan: Plan, product: Product, found: Sequence[Deal], publisher: Json) -> Json:
    is_open = any(one.purpose == "open-data" for one in found)
    titles = ", ".join(one.name for one in product.published)
    made: Json = {
        "@id": _urn(plan, product.id),
        "@type": "dcat:Dataset",
        "dct:identifier": product.id,
        "dct:title": product.title or product.id,
        "dct:description": _description(product, found[0], titles),
        "dct:publisher": publisher,
        "dct:accessRights": {"@id": _ACCESS + ("PUBLIC" if is_open else "RESTRICTED")},
        "dcat:keyword": sorted({one.quantity or one.kind.value for one in product.published}),
        "dcat:distribution": [_distribution(plan, one) for one in found],
    }
    if product.window:
        step = _CALENDAR.get(product.span) or period(product.window)
        made["dcat:temporalResolution"] = {"@value": step, "@type": "xsd:duration"}
    if product.model:
        made["dct:conformsTo"] = product.model
    if plan.contact:
        who = {"@type": "vcard:Organization", "vcard:fn": plan.owner}
        made["dcat:contactPoint"] = who | _reached(plan.contact)
    if plan.place.location:
        east, north = plan.place.location
        made["dct:spatial"] = {"@type": "dct:Location", "dcat:centroid": f"POINT({east:g} {north:g})"}
    return made


def _reached(contact: str) -> Json:
    if contact.startswith(("https://", "http://")):
        return {"vcard:hasURL": {"@id": contact}}
    return {"vcard:hasEmail": {"@id": f"mailto:{contact}"}} if "@" in contact else {"vcard:note": contact}


def _description(product: Product, deal: Deal, titles: str) -> str:
    figures = f"{' '.join(product.statistics)} over {product.span}" if product.window else "events"
    claim = f" Protected: {deal.claim}." if deal.claim else ""
    return f"{figures} of {titles}.{claim}"


def _distribution(plan: Plan, deal: Deal) -> Json:
    encrypted = {f"{one.host}:{one.port}": one.tls is not None for one in plan.recipients}
    url = f"{'mqtts' if encrypted[deal.broker] else 'mqtt'}://{deal.broker}"
    return {
        "@type": "dcat:Distribution",
        "dct:title": f"{deal.product} for {deal.recipient}",
        "dcat:accessURL": {"@id": url},
        "dcat:mediaType": {"@id": _JSON},
        "dcat:accessService": {
            "@type": "dcat:DataService",
            "dct:title": f"MQTT broker of {deal.party or deal.recipient}",
            "dcat:endpointURL": {"@id": url},
        },
    }


def _agreement(plan: Plan, name: str, found: Sequence[Deal], iris: Mapping[str, str]) -> Json:
    first = found[0]
    purpose = iris.get(first.purpose, f"urn:citygate:purpose:{first.purpose}")
    constraints: list[Json] = [{"leftOperand": "purpose", "operator": "eq", "rightOperand": {"@id": purpose}}]
    if first.until:
        last = {"@value": first.until, "@type": f"{_XSD}date"}
        constraints.append({"leftOperand": "dateTime", "operator": "lteq", "rightOperand": last})
    if first.rate:
        most = {"leftOperand": {"@id": _RATE}, "operator": "lteq", "rightOperand": first.rate}
        constraints.append(most)
    kept = {"@value": period(round(first.keep * 86400)), "@type": f"{_XSD}duration"}
    limit = {"leftOperand": "elapsedTime", "operator": "lteq", "rightOperand": kept}
    duty = {"action": [{"rdf:value": {"@id": "odrl:delete"}, "refinement": [limit]}]}
    permissions = [
        {"target": _urn(plan, one.product), "action": "use", "constraint": constraints, "duty": [duty]}
        for one in found
    ]
    return {
        "@context": ["http://www.w3.org/ns/odrl.jsonld"],
        "@type": "Agreement",
        "uid": f"{_urn(plan, 'grant')}:{name}:{plan.policy}",
        "assigner": plan.owner or plan.place.city,
        "assignee": first.party or first.recipient,
        "permission": permissions,
    }


def _urn(plan: Plan, what: str) -> str:
    place = plan.place
    return f"urn:citygate:{place.city}:{place.site}:{place.gateway}:{what}"
