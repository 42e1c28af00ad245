"""What a release says about its contents: a bill of materials (CycloneDX), licences, copyright."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final
from uuid import NAMESPACE_URL, uuid5
from zipfile import ZipFile

from msgspec import Struct

from release.inspect import licence, metadata

_OWN: Final = "citygate"
_SPDX: Final = {  # what old metadata say in words of their own
    "Apache 2.0": "Apache-2.0",
    "MIT License": "MIT",
    "BSD": "BSD-3-Clause",
    "BSD License": "BSD-3-Clause",
    "3-Clause BSD License": "BSD-3-Clause",
}


class Part(Struct, frozen=True, kw_only=True):
    """One wheel: who it is, and the libraries that it says it carries inside."""

    name: str
    version: str
    licence: str
    digest: str
    inside: tuple[Any, ...]

    @property
    def ref(self) -> str:
        """Give its package URL."""
        return f"pkg:pypi/{self.name.lower().replace('_', '-')}@{self.version}"


def part(wheel: Path) -> Part:
    """Read what *wheel* says of itself."""
    with ZipFile(wheel) as archive:
        said = metadata(archive)
        inside = [
            one
            for name in sorted(archive.namelist())
            if ".dist-info/sboms/" in name and name.endswith(".json")
            for one in json.loads(archive.read(name)).get("components", [])
        ]
    words = licence(said)
    return Part(
        name=said["Name"],
        version=said["Version"],
        licence=_SPDX.get(words, words),
        digest=hashlib.sha256(wheel.read_bytes()).hexdigest(),
        inside=tuple(inside),
    )


def bill(package: str, version: str, arch: str, parts: list[Part], epoch: int) -> str:
    """Write the bill of materials of *package*, equal for equal contents."""
    ref = f"pkg:deb/{package}@{version}?arch={arch}"
    components = [_component(one) for one in parts]
    digest = hashlib.sha256(json.dumps(components, sort_keys=True).encode()).hexdigest()
    told = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid5(NAMESPACE_URL, ref + digest)}",
        "version": 1,
        "metadata": {
            "timestamp": datetime.fromtimestamp(epoch, UTC).isoformat().replace("+00:00", "Z"),
            "component": {
                "type": "application",
                "bom-ref": ref,
                "name": package,
                "version": version,
                "purl": ref,
                "licenses": [{"license": {"id": "Apache-2.0"}}],
            },
        },
        "components": components,
        "dependencies": [
            {"ref": ref, "dependsOn": [one.ref for one in parts]},
            *({"ref": one.ref} for one in parts),
        ],
    }
    return json.dumps(told, indent=1, sort_keys=True) + "\n"


def _component(one: Part) -> dict[str, Any]:
    inner = {"components": [_nested(one, inside) for inside in one.inside]} if one.inside else {}
    return {
        "type": "library",
        "bom-ref": one.ref,
        "name": one.name,
        "version": one.version,
        "purl": one.ref,
        "hashes": [{"alg": "SHA-256", "content": one.digest}],
        "licenses": [{"expression": one.licence}],
        **inner,
    }


def _nested(outer: Part, inside: dict[str, Any]) -> dict[str, Any]:
    """Keep of a library inside a wheel who it is; its reference must be unique in the whole bill."""
    kept = {key: inside[key] for key in ("type", "name", "version", "purl", "hashes") if key in inside}
    return kept | {"bom-ref": f"{outer.ref}#{inside.get('bom-ref', inside['name'])}"}


def licences(parts: list[Part]) -> str:
    """List the licences, one wheel a line."""
    wide = max(len(f"{one.name} {one.version}") for one in parts)
    return "".join(f"{f'{one.name} {one.version}':<{wide}}  {one.licence}\n" for one in parts)


def copyright_file(parts: list[Part], site: str) -> str:
    """Write the copyright file: ours, and where the texts of the others lie."""
    lines = [
        "Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/",
        "Upstream-Name: citygate",
        "",
        "Files: *",
        "Copyright: the citygate authors",
        "License: Apache-2.0",
        " On Debian systems the text is in /usr/share/common-licenses/Apache-2.0.",
    ]
    for one in parts:
        if one.name != _OWN:
            folder = f"{one.name.lower().replace('-', '_')}-{one.version}.dist-info"
            lines += ["", f"Files: {site}/* of {one.name} {one.version}", "Copyright: its authors"]
            lines += [f"License: {one.licence}", f" The text, where it came with one: {site}/{folder}."]
    return "\n".join(lines) + "\n"
