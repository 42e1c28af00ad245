"""Compiles links and devices: each driver with its devices, each device with its profile's points."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from msgspec import Struct
from msgspec.structs import replace

from agent.config.brokers import host_flaw
from agent.config.draft import Draft, Where, keys_of
from agent.config.fault import Fault
from agent.config.hints import name_guess, name_hint, nearest
from agent.config.profiles import Profile, profile
from agent.config.references import check_references
from agent.config.sources import Source
from agent.config.spans import Path
from agent.config.tables import DeviceHead, LinkHead
from agent.config.words import NAME_PATTERN, POINT_PATTERN, name_flaw
from agent.core.plan import Link
from agent.core.point import Point

_SECRET_KEY: Final = re.compile(r"(?:^|_)(?:password|passphrase|secret|token)$")
_USER_IN_URL: Final = re.compile(r"://[^/@\s]*:[^/@\s]*@")
CREDENTIAL_HINT: Final = 'write "credential:NAME" and keep the secret in that credential'


class Links(Struct, frozen=True):
    """Compiled links, every point that they offer, and the names of links and devices that have faults.

    ``held`` has the same points by what stands before the first dot, so that a wish for those of one device
    need not be compared with all the others.
    """

    links: tuple[Link, ...]
    points: dict[str, Point]
    held: dict[str, dict[str, Point]]
    broken: frozenset[str]


def compile_links(draft: Draft) -> Links:
    """Compile ``[link.*]`` and ``[device.*]``."""
    tables = dict(draft.named("link"))
    types = {name: _type(draft, name, table) for name, table in tables.items()}
    broken = {name for name, one in types.items() if one is None}
    # whoever wrote [device.Main-Meter] means it by "main-meter" elsewhere; the table's name has been noted
    meant = {
        name_guess(name, NAME_PATTERN)
        for section in ("link", "device")
        for name in draft.names(section)
        if name_flaw(name)
    } - {""}
    devices: dict[str, list[Any]] = {name: [] for name in types}
    for name, table in draft.named("device"):
        if name in types:
            draft.fault(("device", name), f'a link is called "{name}" too', at_key=True)
        made = None if table.get("link") in [*meant] else _device(draft, name, table, types)
        link = table.get("link")
        if made is None:
            broken |= {name, link} if isinstance(link, str) else {name}
        elif isinstance(link, str):
            devices[link].append(made)
    links: list[Link] = []
    points: dict[str, Point] = {}
    for name, table in tables.items():
        driver_type = types[name]
        link = driver_type and _link(draft, name, table, driver_type, devices[name])
        if link is None:
            broken |= {name, *(one.name for one in devices[name])}
            continue
        links.append(link[0])
        points.update(link[1])
    _check_endpoints(draft, links)
    held: dict[str, dict[str, Point]] = {}
    for name, point in points.items():
        held.setdefault(name.partition(".")[0], {})[name] = point
    return Links(tuple(links), points, held, frozenset(broken | meant))


def _check_endpoints(draft: Draft, links: list[Link]) -> None:
    """Note links that go where another one goes: one connection to each endpoint."""
    first: dict[str, str] = {}
    for link in links:
        where = getattr(link.driver, "endpoint", "")
        if where and (other := first.setdefault(where, link.name)) != link.name:
            text = f'link "{other}" goes to {where} too: put the devices of both on one link'
            draft.fault(("link", link.name), text, at_key=True)


def _type(draft: Draft, name: str, table: Mapping[str, Any]) -> type[Any] | None:
    kind = draft.word(table, "driver", ("link", name))
    return None if kind is None else draft.plugin("driver", kind, ("link", name, "driver"))


def _link(
    draft: Draft, name: str, table: Mapping[str, Any], driver_type: type[Any], devices: list[Any]
) -> tuple[Link, dict[str, Point]] | None:
    path: Path = ("link", name)
    is_open = _has_literal_secret(draft, table, path)
    check_references(draft, path, table)
    settings = draft.settings(table, driver_type, draft.where(path), head=LinkHead)
    if settings is None or is_open or _has_wrong_host(draft, table, path):
        return None
    try:
        driver = replace(settings, name=name, devices=tuple(devices))
        points = {one.name: one for one in driver.points()}
    except ValueError as error:
        draft.fault(path, str(error), at_key=True)
        return None
    if not points:
        draft.warn(path, f'link "{name}" has no points: nothing will be read')
    return Link(name=name, kind=table["driver"], driver=driver), points


def _device(
    draft: Draft, name: str, table: Mapping[str, Any], types: Mapping[str, type[Any] | None]
) -> Any | None:  # noqa: ANN401 - the driver's own settings
    path: Path = ("device", name)
    link = draft.word(table, "link", path)
    if link is None:
        return None
    if link not in types:
        draft.dangling((*path, "link"), f'no link is called "{link}"', link, types)
        return None
    driver_type = types[link]
    if driver_type is None:
        return None  # the link's own fault has been noted
    device_type = getattr(driver_type, "device_type", None)
    if device_type is None:
        draft.fault(path, f'link "{link}" has no devices: its driver knows its points itself', at_key=True)
        return None
    is_open = _has_literal_secret(draft, table, path)
    check_references(draft, path, table)
    made = _Device(draft, name, table, device_type, link).make()
    return None if is_open else made


class _Device:
    """One device on its way: its table laid over its profile."""

    def __init__(
        self, draft: Draft, name: str, table: Mapping[str, Any], device_type: type[Any], link: str
    ) -> None:
        self._draft = draft
        self._path: Path = ("device", name)
        self._table = table
        self._type = device_type
        self._where = draft.where(self._path)
        self._profile: Profile | None = None
        self._link = link
        own = table.get("points")
        self._own: Mapping[str, Any] = own if isinstance(own, dict) else {}

    def make(self) -> Any | None:  # noqa: ANN401 - the driver's own settings
        """Give the device's settings; None, and faults noted, when there are any."""
        if not self._find_profile():
            return None
        table = dict(self._table)
        if isinstance(table.get("points"), dict):
            del table["points"]
        table = {**self._defaults(self._type, but=("points", "name")), **table}
        device = self._draft.settings(table, self._type, self._where_device, head=DeviceHead)
        points = self._points()
        if device is None or points is None:
            return None
        try:
            return replace(device, name=self._path[1], points=points)
        except ValueError as error:
            self._blame(device, points, str(error))
            return None

    def _find_profile(self) -> bool:
        name = self._table.get("profile", "")
        if not isinstance(name, str) or not name:
            return True  # a wrong type is found with the other keys
        path = (*self._path, "profile")
        self._profile = profile(self._draft, name, path)
        if self._profile is None:
            return False
        speaks = self._profile.about.protocol
        kind = self._draft.tables["link"][self._link]["driver"]
        if speaks and kind != speaks and not kind.startswith(f"{speaks}-"):
            message = f'profile "{name}" is for {speaks}, but link "{self._link}" speaks {kind}'
            self._draft.fault(path, message)
            return False
        return True

    def _defaults(self, wanted: type[Any], but: tuple[str, ...] = ()) -> dict[str, Any]:
        """Give the profile's defaults that are keys of *wanted*."""
        keys = keys_of(wanted) - {*but}
        given = self._profile.defaults if self._profile else {}
        return {key: value for key, value in given.items() if key in keys}

    def _where_device(self, inside: Path) -> tuple[Source, Path]:
        if self._profile and inside and inside[0] not in self._table and inside[0] in self._profile.defaults:
            return self._profile.source, ("defaults", *inside)
        return self._where(inside)

    def _points(self) -> dict[str, Any] | None:
        before = len(self._draft.faults)
        self._check_defaults()
        made = {}
        of_profile = self._profile.points if self._profile else {}
        for name in [*of_profile, *(one for one in self._own if one not in of_profile)]:
            own = self._own.get(name, {})
            if not isinstance(own, dict):
                hint = f"write {name} = {{ ... }}"
                self._draft.fault((*self._path, "points", name), "expected a table", hint)
                continue
            if flaw := name_flaw(name, POINT_PATTERN):
                source, path = self._where_point(name)(())
                hint = name_hint(name, POINT_PATTERN)
                self._draft.faults.append(Fault(source, path, flaw, hint, at_key=True))
                continue
            made[name] = self._point(name, own)
        if len(self._draft.faults) > before:
            return None
        if self._own or self._profile is None:
            return made
        return self._draft.all_points.setdefault((self._profile.source.name, self._type.point_type), made)

    def _point(self, name: str, own: dict[str, Any]) -> Any:  # noqa: ANN401 - the driver's own type
        """Make a point; devices of a type share those that they leave as the profile has them."""
        wanted, where = self._type.point_type, self._where_point(name)
        of_profile = self._profile.points.get(name) if self._profile else None
        if self._profile is None or of_profile is None:
            return self._draft.settings(own, wanted, where)
        table = {**self._defaults(wanted), **of_profile, **own}
        if own:
            return self._draft.settings(table, wanted, where)
        key = (self._profile.source.name, wanted, name)
        known = self._draft.points.get(key)
        if known is None:
            self._draft.points[key] = known = self._draft.settings(table, wanted, where)
        return known

    def _check_defaults(self) -> None:
        """Note defaults that belong neither to the device nor to its points."""
        if self._profile is None:
            return
        known = keys_of(self._type) | keys_of(self._type.point_type)
        for key in self._profile.defaults.keys() - (known - {"name", "points"}):
            self._draft.faults.append(
                Fault(
                    self._profile.source,
                    ("defaults", key),
                    f'unknown key "{key}"',
                    nearest(key, known - {"name", "points"}),
                    at_key=True,
                )
            )

    def _where_point(self, name: str) -> Where:
        """Find out which layer a key of point *name* came from: the device, the profile, its defaults."""

        def where(inside: Path) -> tuple[Source, Path]:
            own = self._own.get(name)
            of_profile = self._profile.points.get(name) if self._profile else None
            is_own = own is not None and (not inside or inside[0] in own)
            if self._profile is None or of_profile is None or is_own:
                return self._where(("points", name, *inside))
            if inside and inside[0] not in of_profile and inside[0] in self._profile.defaults:
                return self._profile.source, ("defaults", *inside)
            return self._profile.source, ("point", name, *inside)

        return where

    def _blame(self, device: Any, points: dict[str, Any], message: str) -> None:  # noqa: ANN401
        """Show a rule of the device at the point that breaks it, or else at the device."""
        for name, point in points.items():
            try:
                replace(device, points={name: point})
            except ValueError as error:
                self._draft.faults.append(Fault(*self._where_point(name)(()), str(error), at_key=True))
                return
        self._draft.fault(self._path, message, at_key=True)


def _has_wrong_host(draft: Draft, table: Mapping[str, Any], path: Path) -> bool:
    """Note a host that can be none: it would be found out on the roof, as a device that is silent."""
    host = table.get("host")
    flaw, _, hint = (host_flaw(host) if isinstance(host, str) else "").partition("; ")
    if flaw:
        draft.fault((*path, "host"), flaw, hint)
    return bool(flaw)


def _has_literal_secret(draft: Draft, value: object, path: Path) -> bool:
    """Note each secret that stands in the file itself."""
    if isinstance(value, dict):
        # a list, not any(): every secret is to be noted, not only the first
        return True in [_has_literal_secret(draft, one, (*path, key)) for key, one in value.items()]
    if isinstance(value, list):
        return True in [_has_literal_secret(draft, one, (*path, index)) for index, one in enumerate(value)]
    if not isinstance(value, str):
        return False
    if _USER_IN_URL.search(value):
        draft.fault(path, "a password stands in this address", CREDENTIAL_HINT)
        return True
    if _SECRET_KEY.search(str(path[-1])) and value and not value.startswith("credential:"):
        draft.fault(path, "a secret stands in this file", CREDENTIAL_HINT)
        return True
    return False
