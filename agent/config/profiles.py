"""Device types as data: ``<vendor>/<model>.toml`` beside the site's files, or shipped with the gateway.

The site's own profile of the same name wins. It refuses unknown sections and keys, at their place in the
profile's file. What only one source says is marked ``unconfirmed``; a site that uses it is told so.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any, Final

from msgspec import Meta, Struct, field

from agent.config.draft import Draft
from agent.config.fault import Fault
from agent.config.hints import nearest
from agent.config.sources import Source, read
from agent.config.spans import Path as KeyPath
from agent.config.words import kind_of
from agent.core.settings import Settings
from agent.resources import resource

FOLDER: Final = "profiles"
SHIPPED: Final = "config/profiles"
_MARK: Final = "unconfirmed"
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9_.-]*/[a-z0-9][a-z0-9_.-]*")


class About(Settings):
    """What a profile says of itself."""

    vendor: Annotated[str, Meta(description="Who makes the device.")]
    model: Annotated[str, Meta(description="Which model, or family of models.")]
    id: Annotated[str, Meta(description="Its name: vendor/model.")] = ""
    protocol: Annotated[str, Meta(description="What the device speaks: modbus, bacnet, serial.")] = ""
    sources: Annotated[tuple[str, ...], Meta(description="Where its facts come from, two at least.")] = ()
    verified: Annotated[
        str | bool | tuple[str, ...], Meta(description="How, or against what, it has been verified.")
    ] = ""
    notes: Annotated[str, Meta(description="What a technician should know.")] = ""
    unconfirmed: Annotated[bool, Meta(description="Only one source tells these facts.")] = False


class Shape(Settings):
    """The outermost tables of a profile."""

    profile: About
    point: Annotated[dict[str, dict[str, Any]], Meta(description="The points by name.", min_length=1)]
    defaults: Annotated[dict[str, Any], Meta(description="Keys that its points and devices inherit.")] = (
        field(default_factory=dict)
    )
    identify: Annotated[
        dict[str, dict[str, Any]], Meta(description="What the device must answer to be one of this type.")
    ] = field(default_factory=dict)


class Profile(Struct, frozen=True):
    """A device type: the file it stands in, what it says of itself, its defaults and its points.

    ``identify`` is left to whoever speaks the protocol; ``unconfirmed`` names points that one source tells.
    """

    source: Source
    about: About
    defaults: dict[str, Any]
    points: dict[str, dict[str, Any]]
    identify: dict[str, dict[str, Any]]
    unconfirmed: tuple[str, ...]


def profiles(folder: Path | None = None) -> list[str]:
    """List the names of all profiles: those shipped, and those of the configuration in *folder*."""
    shipped = resource(SHIPPED)
    found = {
        f"{vendor.name}/{model.name.removesuffix('.toml')}"
        for vendor in (shipped.iterdir() if shipped.is_dir() else ())
        if vendor.is_dir()
        for model in vendor.iterdir()
        if model.name.endswith(".toml")
    }
    if folder is not None:
        own = folder / FOLDER
        found |= {f"{one.parent.name}/{one.stem}" for one in own.glob("*/*.toml")}
    return sorted(found)


def tables(folder: Path | None = None) -> dict[str, dict[str, Any]]:
    """Give all profiles as they stand in their files, by name, for whoever looks for devices.

    One that cannot be read is left out: ``check`` reports it where it is used.
    """
    found: dict[str, dict[str, Any]] = {}
    for name in profiles(folder):
        own = folder / FOLDER / f"{name}.toml" if folder is not None else None
        place = own if own is not None and own.is_file() else resource(f"{SHIPPED}/{name}.toml")
        source = read(name, place, 0)
        if source.wrong is None:
            found[name] = source.tables
    return found


def profile(draft: Draft, name: str, path: KeyPath) -> Profile | None:
    """Give the profile called *name*; None, and a fault at *path* or in its file, if it cannot be used."""
    source = _source(draft, name)
    if source is None:
        draft.fault(path, f'no profile is called "{name}"', nearest(name, profiles(draft.folder)))
        return None
    if source.wrong is not None:
        message, hint, span = source.wrong
        draft.faults.append(Fault(source, (), message, hint, span=span))
        return None
    if source.name not in draft.profiles:
        shape = draft.settings(source.tables, Shape, lambda inside: (source, inside))
        draft.profiles[source.name] = shape and _profile(draft, source, shape)
    known: Profile | None = draft.profiles[source.name]
    if known is not None and (known.about.unconfirmed or known.unconfirmed):
        which = "its points" if known.about.unconfirmed else ", ".join(known.unconfirmed)
        text = f'profile "{name}": only one source tells of {which}; compare with the device\'s own display'
        draft.warn(path, text)
    return known


def _profile(draft: Draft, source: Source, shape: Shape) -> Profile:
    """Make a profile of its file's tables; the mark ``unconfirmed`` is ours and not the driver's."""
    points: dict[str, dict[str, Any]] = {}
    marked: list[str] = []
    for name, point in shape.point.items():
        mark = point.get(_MARK, False)
        if not isinstance(mark, bool):
            message = f"expected true or false, got {kind_of(mark)}"
            draft.faults.append(Fault(source, ("point", name, _MARK), message))
        elif mark:
            marked.append(name)
        points[name] = {key: value for key, value in point.items() if key != _MARK}
    return Profile(source, shape.profile, shape.defaults, points, shape.identify, tuple(marked))


def _source(draft: Draft, name: str) -> Source | None:
    """Read the file of the profile called *name*, once."""
    if not _NAME.fullmatch(name):
        return None
    for label, place in (
        (f"{FOLDER}/{name}.toml", draft.folder / FOLDER / f"{name}.toml"),
        (f"{SHIPPED}/{name}.toml", resource(f"{SHIPPED}/{name}.toml")),
    ):
        for known in draft.sources:
            if known.name == label:
                return known
        if place.is_file():
            source = read(label, place, len(draft.sources))
            draft.sources.append(source)
            return source
    return None
