"""Show how the running gateway does, on one screen, and what to do next.

The exit status is 0 when all is well, 1 when something wants attention or no gateway runs.

For example:
  citygate status
  citygate status --json | jq .recipients
  watch citygate status
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from agent.cli import options
from agent.cli.figures import in_words
from agent.cli.screen import sentence, size, span, table, wrapped

if TYPE_CHECKING:
    import argparse

    Object = dict[str, Any]

_NOT_AUTHORISED = 0x87
_MOST_WITHHELD = 0.3
_SCREEN = 12  # devices; of more, those that are well are only counted
_SHORT = 60  # characters: a longer figure gets a line of its own
_WORDS = {
    "held": "nobody subscribes to it at the broker; it waits. Start the city's subscriber",
    "expired": "its grant has ended; a new `until` in sharing.toml opens it again",
}


def add(parser: argparse.ArgumentParser) -> None:
    """Add what `citygate status` takes."""
    options.socket(parser)
    parser.add_argument("--all", action="store_true", help="each device, also where many are well")
    options.json(parser)


def run(args: argparse.Namespace) -> int:
    """Print the daemon's own report."""
    from agent.status import ask

    found = ask(args.socket, {"ask": "status"})
    todo = next_steps(found)
    if args.json:
        import json

        print(json.dumps({**found, "next": todo}, indent=2))
    else:
        parts = (_gateway(found), _links(found, everything=args.all), _recipients(found), _todo(todo))
        print("\n\n".join("\n".join(part) for part in parts))
    return 1 if todo else 0


def next_steps(found: Object) -> list[str]:
    """Say, most urgent first, what wants attention and what cures it."""
    steps = []
    if found["fault"]:
        steps.append("the changed configuration has faults and is not in force: citygate check")
    if trouble := found["outbox"].get("trouble"):
        steps.append(f"outbox: {trouble}; is the disk full or worn out? df -h /var/lib/citygate")
    steps += [f"{name} hangs: journalctl -u citygate -n 50" for name in found["hanging"]]
    for link in found["links"]:
        if link["why"]:
            steps.append(f"link {link['name']}: {_then(link['why'], link)}")
            continue  # what is wrong with the link is wrong with each of its devices
        steps += _device_steps(link)
    for one in found["recipients"]:
        if not one["connected"]:
            steps.append(f"recipient {one['name']}: {_then(one['why'] or 'not connected', one)}")
        steps += [_route_step(one, route, word) for route, word in one["routes"].items() if word != "ok"]
        cap = one["queue"]["cap"]
        if cap and one["queue"]["bytes"] > 0.8 * cap:
            steps.append(f"recipient {one['name']}: the outbox is nearly full; the oldest will be dropped")
    return steps + [_withheld(one) for one in found["products"] if (one["withheld"] or 0.0) > _MOST_WITHHELD]


def _withheld(product: Object) -> str:
    return (
        f"product {product['name']}: {product['withheld']:.0%} of its figures by day were withheld; a longer"
        " window or mode hold tells more: citygate utility"
    )


def _device_steps(link: Object) -> list[str]:
    told = _by_device(link)[1]
    steps = []
    for one in link["devices"]:
        if trouble := told.get(one["name"], {}).get("trouble"):
            steps.append(f"device {one['name']}: {trouble}")
        elif one["state"] in {"silent", "faulty"}:
            steps.append(_device_step(one))
        elif one["state"] == "waiting":
            steps.append(f"device {one['name']} has not answered yet: look again in half a minute")
    return steps


def _device_step(device: Object) -> str:
    why = f" ({device['why'].replace('_', ' ')})" if device["why"] else ""
    return (
        f"device {device['name']} is {device['state']}{why} for {span(device['for_s'])}: {_question(device)} "
        + (f"citygate read {device['name']}")
    )


def _question(device: Object) -> str:
    if device["why"] == "no_connection":
        return "is it on, are cable and address right?"
    return "is it on?" if device["state"] == "silent" else "does its profile fit?"


def _route_step(recipient: Object, route: str, word: str) -> str:
    what = f"{recipient['name']}/{route.removeprefix(recipient['name'] + '.')}"
    if word.startswith("refused"):
        from agent.uplink.reasons import meaning

        code = int(word.partition(":")[2] or "0", 16)
        cure = "it must let us write" if code == _NOT_AUTHORISED else "its data wait here"
        return f"{what} is refused by {recipient['broker']}: {meaning(code)}; {cure}. The log names the topic"
    return f"{what} is {word}: {_WORDS.get(word, 'see the log')}"


def _then(why: str, service: Object) -> str:
    """Say *why* and when it is tried again."""
    if service["next_try_s"] is None:
        return why
    return f"{why}{' Next' if why.endswith('?') else '; next'} try in {span(service['next_try_s'])}"


def _gateway(found: Object) -> list[str]:
    clock = found["clock"]
    synced = "synchronised" if clock["synced"] else "not synchronised: times are marked"
    waiting = ", windows wait for it" if clock["waiting"] else ""
    return [
        f"{found['place']}  {found['state']}  citygate {found['software']}, up {span(found['runs_s'])}",
        sentence(found["sentence"]),
        wrapped(
            [
                f"clock {clock['utc']} ({synced}{waiting})",
                f"policy {found['policy']} since {found['loaded']}",
                f"memory {found['rss_mb']:.0f} MB",
            ]
        ),
        *([sentence(f"sandbox: {_sandbox(found)}")] if "sandbox" in found else []),
        *([sentence(_bundle(found["bundle"]))] if found.get("bundle") else []),
        *(sentence(f"warning: {one}") for one in found["warnings"]),
    ]


def _bundle(told: Object) -> str:
    """Say which configuration from a distance is in force, and how the last one ended."""
    if told["trouble"]:
        return f"bundles: {told['trouble']}"
    parts = ["none is in force" if told["number"] is None else f"{told['number']} is in force"]
    if told["on_trial"] is not None:
        parts.append(f"{told['on_trial']} is on trial")
    elif "kept" in told and not told["kept"]:
        parts.append(
            f"{told['tried']}, signed by {told['signer']}, was taken back on {told['at']}: {told['why']}"
        )
    return f"bundles: {'; '.join(parts)}"


def _sandbox(found: Object) -> str:
    own = found["sandbox"]
    parts = ["runs as root" if own["root"] else "no root"]
    parts.append("system calls filtered" if own["calls_filtered"] else "system calls not filtered")
    if own["capabilities"]:
        parts.append("has capabilities")
    caged = [one["figures"]["confined"] for one in found["links"] if "confined" in one["figures"]]
    if caged:
        parts.append(f"{caged.count('yes')} of {len(caged)} cameras in the cage")
    return ", ".join(parts)


def _links(found: Object, *, everything: bool) -> list[str]:
    lines = []
    many = sum(len(one["devices"]) for one in found["links"]) > _SCREEN and not everything
    for link in found["links"]:
        lines.append(f"link {link['name']} ({link['driver']}): {link['state']}")
        figures, of_devices = _by_device(link)
        short = [one for one in in_words(figures) if len(one) <= _SHORT]
        lines += [wrapped(short)] if short else []
        lines += [sentence(one) for one in in_words(figures) if len(one) > _SHORT]
        rows = [
            [
                one["name"],
                one["state"],
                f"{one['points'] - one['points_bad']}/{one['points']}",
                "never" if one["last_good_s"] is None else f"{span(one['last_good_s'])} ago",
                one["why"],
            ]
            for one in link["devices"]
            if not many or one["state"] != "ok" or one["points_bad"]
        ]
        if rows or not many:
            lines.append(table(("device", "state", "good points", "last good", "why"), rows))
        if hidden := len(link["devices"]) - len(rows):
            lines.append(f"  {hidden} {'more ' if rows else ''}devices are well; --all shows them")
        else:
            lines += [wrapped([f"{name}:", *in_words(told)]) for name, told in of_devices.items()]
    return lines or ["no links are configured"]


def _by_device(link: Object) -> tuple[Object, dict[str, Object]]:
    """Part the figures of a link (what is empty is left out) from those of its devices: ``ahu-1.rtt_ms``."""
    names = {one["name"] for one in link["devices"]}
    figures: Object = {}
    of_devices: dict[str, Object] = {}
    for name, value in link["figures"].items():
        device, dot, own = name.partition(".")
        if value == "":
            continue
        if dot and device in names:
            of_devices.setdefault(device, {})[own] = value
        else:
            figures[name] = value
    return figures, of_devices


def _recipients(found: Object) -> list[str]:
    rows = [
        [
            one["name"],
            one["broker"],
            "connected" if one["connected"] else "away",
            "  ".join(f"{_product(one, route)}: {word}" for route, word in one["routes"].items()) or "-",
            str(one["queue"]["n"]),
            size(one["queue"]["bytes"]),
            one["queue"]["oldest"] or "-",
        ]
        for one in found["recipients"]
    ]
    heads = ("recipient", "broker", "state", "routes", "waiting", "bytes", "oldest")
    made = [
        f"{one['name']} {one['records']}"
        + ("" if one["last_s"] is None else f" (last {span(one['last_s'])} ago)")
        for one in found["products"]
    ]
    asked = [sentence(f"{one['name']}: {told}") for one in found["recipients"] if (told := _asked(one))]
    return [table(heads, rows), *asked, wrapped(["figures made since the start:", *(made or ["none"])])]


def _asked(recipient: Object) -> str:
    """Say what a recipient has asked of the gateway; empty if it may not, or has not."""
    figures = recipient["figures"]
    told = [
        f"{figures[name]} {words}"
        for name, words in (
            ("commands", "commands obeyed"),
            ("commands_refused", "refused"),
            ("sent_again", "messages sent once more"),
        )
        if figures.get(name)
    ]
    told += [f"sends again {figures['replay']}"] if "replay" in figures else []
    told += [f"commands: {figures['commands_unheard']}"] if "commands_unheard" in figures else []
    return ", ".join(told)


def _product(recipient: Object, route: str) -> str:
    return route.removeprefix(f"{recipient['name']}.")


def _todo(steps: list[str]) -> list[str]:
    return ["Next:", *map(sentence, steps)] if steps else ["All is well."]
