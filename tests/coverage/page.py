"""How a measurement is told: a table of folders, which stands in the docs too, and a list of what lacks."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from tests.coverage.reasons import ROOT, Stretch

PAGE: Final = ROOT / "docs" / "reliability.md"
_BEGIN: Final = "<!-- what the tests reach; `make coverage` writes it -->"
_END: Final = "<!-- end of what the tests reach -->"
_ALL: Final = "~"  # behind every folder
_KEYS: Final = ("covered_lines", "num_statements", "covered_branches", "num_branches")


def table(files: Mapping[str, Any]) -> str:
    """Write how much of each folder is reached, and of all of them."""
    sums: dict[str, list[int]] = defaultdict(lambda: [0] * len(_KEYS))
    for name, found in files.items():
        for folder in (name.rpartition("/")[0], _ALL):
            for at, key in enumerate(_KEYS):
                sums[folder][at] += found["summary"][key]
    lines = [
        "| folder | statements | of these reached | branches | of these taken |",
        "|---|--:|--:|--:|--:|",
    ]
    for folder, (reached, all_, taken, ways) in sorted(sums.items()):
        name = "**all**" if folder == _ALL else f"`{folder}`"
        lines.append(f"| {name} | {all_:,} | {_share(reached, all_)} | {ways:,} | {_share(taken, ways)} |")
    return "\n".join(lines)


def verdict(found: Sequence[Stretch]) -> str:
    """Say how many reasons there are."""
    given = sum(one.reason is not None for one in found)
    return f"{given} of {len(found)} stretches that no test reaches have a reason"


def missing(found: Iterable[Stretch]) -> str:
    """Write down what is not reached."""
    lines = ["| where | what | why |", "|---|---|---|"]
    for one in found:
        place = f"{one.first}" if one.first == one.last else f"{one.first}-{one.last}"
        text = one.text.replace("|", "\\|")
        what = f"a way out of `{text}`" if one.way else f"`{text}`"
        why = one.reason.why if one.reason else "nobody has said"
        lines.append(f"| {one.file}:{place} | {what} | {why} |")
    return "\n".join([*lines, ""])


def renewed(page: str, new: str) -> str:
    """Put what a whole measurement says into the page."""
    before, _, rest = page.partition(_BEGIN)
    after = rest.partition(_END)[2]
    return f"{before}{_BEGIN}\n\n{new}\n\n{_END}{after}"


def _share(part: int, whole: int) -> str:
    return f"{part / whole:.1%}" if whole else ""
