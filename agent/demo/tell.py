"""What the demo says: plain text for somebody who sees citygate for the first time."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from agent.demo.books import Books
from agent.demo.site import Site
from agent.demo.verdict import Judged, clock, longest_run
from agent.outbox.ledger import Match, Verdict

_HEADS: Final = "  {:<8} {:<11} {:<46} {}"


def opening(site: Site, *, broker: int, camera: int | None) -> str:
    """Say what runs where."""
    watched = "none; the energy and the air are shown"
    if camera is not None:
        watched = f"a clip of a street over RTSP on 127.0.0.1:{camera}; who walks there was counted by hand"
    return f"""\
citygate demo: a small site on this computer (Ctrl-C ends it)

  meter     an electricity meter on Modbus TCP; the demo knows its true values
  air       an air handler on BACnet/IP; its true values are known too
  camera    {watched}
  gateway   citygate run, with config/site.toml and config/sharing.toml
  broker    MQTT 5 on 127.0.0.1:{broker}
  city      gets what sharing.toml grants, and checks it against the schema

Its files are in {site.folder}
"""


def live(seen: Sequence[tuple[float, dict[str, Any]]]) -> str:
    """Draw a few readings side by side: they are the samples, and they stay on the site."""
    names = [one["point"] for one in seen[-1][1]["readings"]]
    wide = max(map(len, names))
    rows = [f"  {'point':<{wide}}" + "".join(f"{clock(at):>11}" for at, _ in seen) + "  unit  quality"]
    for place, name in enumerate(names):
        readings = [answer["readings"][place] for _, answer in seen if place < len(answer["readings"])]
        last = readings[-1]
        values = "".join(f"{_figure(one['value']):>11}" for one in readings)
        rows.append(f"  {name:<{wide}}{values}  {last['unit']:<5} {last['quality']}")
    return "\n".join(["Live values, read from the devices. They do not leave.", *rows, ""])


def further(site: Site) -> str:
    """Say how to look at the running site from another terminal."""
    lines = [f"  export {name}={value}" for name, value in site.environment().items()]
    words = ("status", "read main-meter", "check", "ledger show", f"ledger match {site.received}")
    called = sys.argv[0] if Path(sys.argv[0]).name == "citygate" else "citygate"
    return "\n".join(
        ["To look further, in another terminal:", *lines, *(f"  {called} {one}" for one in words), ""]
    )


def window_heads() -> str:
    """Give the heads above the windows."""
    first = _HEADS.format("window", "product", "what it says", "the device says")
    return f"What left: one message for each product and window, as the city received it\n{first}"


def window(one: Judged) -> str:
    """Draw one window beside the truth."""
    verdict = "; ".join(one.faults) or "agrees"
    return _HEADS.format(clock(one.window.start), one.window.product, one.text, verdict)


def summary(
    books: Books, judged: Sequence[Judged], faults: Sequence[str], products: Sequence[str], *, early: bool
) -> str:
    """Say what was seen, and what was missing; *early*: a person ended it before all was seen."""
    lines = ["", f"The city received {books.messages} messages: {len(books.births)} births and windows of"]
    for product in products:
        mine = [one for one in judged if one.window.product == product]
        agreeing = sum(1 for one in mine if not one.faults)
        run = longest_run(judged, product)
        lines.append(
            f"  {product:<11} {len(mine)}, of which {agreeing} agree with the truth, {run} in a row;"
        )
    lines.append(f"{books.repeats} repeated, {books.holes} missing, {len(books.faults)} against the schema.")
    if faults:
        lines += ["Missing:", *(f"  {one}" for one in faults)]
    elif not early:
        lines.append("All that the demo was to show was seen.")
    return "\n".join(lines)


def no_picture(searched: int) -> str:
    """Say that what left, and what was kept, was searched."""
    return f"No picture is in the {searched / 1e6:.1f} MB that left or were kept, raw, in hex or in base64."


def cage(told: str) -> str:
    """Say how well the process that sees pictures is confined here, and what it is as a service."""
    service = (
        "A service of systemd is kept from all addresses but the cameras' as well; none runs here, so that"
    )
    return f"{told}\n{service} what it counted may not leave this computer."


def ledger(verdict: Verdict, found: Match) -> str:
    """Say whether the ledger holds, and whether what the city kept is what left."""
    chain = "its chain of hashes holds" if verdict.holds else "its chain is BROKEN"
    kept = "all" if found.holds else f"all but {found.strangers}"
    return (
        f"The ledger has {verdict.rows} messages and {chain};\n"
        f"of the {found.messages} that the city kept, {kept} are in it byte for byte."
    )


def _figure(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"
