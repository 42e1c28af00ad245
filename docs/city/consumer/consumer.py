"""Keeps the numbering of native citygate messages: drops repetitions, finds holes, asks for what is missing.

It needs nothing but Python, does no I/O and no timing of its own. ``state`` is plain values: store it as JSON
beside the data, and give it back after a restart.
"""

import gzip
import json

MOST, AT_ONCE = 10_000, 4  # numbers of one command, and commands, that a gateway takes


class Consumer:
    """All gateways of a city, in ``state``: gateway -> lid, and product -> epoch -> what is seen and lost."""

    def __init__(self, state=None, patience=30.0, pause=300.0):
        self.state = state or {}
        self._patience, self._pause = patience, pause  # seconds before a hole is asked for, and until anew
        self._due = {}

    def take(self, topic, payload):
        """Give the body of a message that is new; None if it was here before, or is empty."""
        if not payload or "/" not in topic:
            return None
        body = json.loads(gzip.decompress(payload) if payload[:2] == b"\x1f\x8b" else payload)
        levels = topic.split("/")
        name, channel, product = "/".join(levels[:5]), levels[5], levels[6] if len(levels) > 6 else ""
        gateway = self.state.setdefault(name, {"lid": "", "products": {}})
        if "lid" in body and channel in "sb":
            if gateway["lid"] not in ("", body["lid"]):
                gateway["products"] = {}  # another outbox: its numbers begin anew
            gateway["lid"] = body["lid"]
        if body["k"] == "answer":
            for first, last in body.get("gone", []):
                epochs = gateway["products"].get(body["of"]["product"], {})
                add(epoch_of(epochs, body["of"]["e"])["lost"], first, last)
        elif channel in "dr" and product and "s" in body:
            return self._number(gateway["products"].setdefault(product, {}), body)
        return body

    def _number(self, epochs, body):
        number, is_first = body["s"], not epochs
        run = epoch_of(epochs, body["e"])
        if is_first and number > 1:
            add(run["lost"], 1, number - 1)  # before our time; if it comes all the same, it is taken
        if has(run["seen"], number):
            return None
        add(run["seen"], number, number)
        oldest = min(map(int, epochs))
        if (before := body.get("prev")) and before["e"] >= oldest:
            run = epoch_of(epochs, before["e"])
            run["last"] = max(run["last"], before["last"])
        for loss in body.get("lost", []):
            if loss["to"] is not None and loss["e"] >= oldest:
                add(epoch_of(epochs, loss["e"])["lost"], loss["from"], loss["to"])
        return body

    def holes(self):
        """Give (gateway, product, epoch, [[first, last], ...]) of what is neither here nor declared lost."""
        for name, gateway in self.state.items():
            for product, epochs in gateway["products"].items():
                for epoch, run in epochs.items():
                    at, found, settled = 1, [], sorted(run["seen"] + run["lost"])
                    for first, last in [*settled, [max([run["last"], *(one[1] for one in settled)]) + 1, 0]]:
                        if first > at:
                            found.append([at, first - 1])
                        at = max(at, last + 1)
                    if found:
                        yield name, product, int(epoch), found

    def wishes(self, now):
        """Give commands (topic, payload) for holes that nothing has filled for a while; *now* in seconds."""
        holes = {(name, product, epoch): found for name, product, epoch, found in self.holes()}
        self._due = {key: self._due.get(key, now + self._patience) for key in holes}
        for name, product, epoch in [key for key, due in self._due.items() if due <= now][:AT_ONCE]:
            self._due[name, product, epoch] = now + self._pause
            first, last = holes[name, product, epoch][0][0], holes[name, product, epoch][-1][1]
            wish = {"v": 1, "k": "replay", "lid": self.state[name]["lid"], "product": product, "e": epoch}
            wish |= {"from": first, "to": min(last, first + MOST - 1)}
            yield f"{name}/c/replay", json.dumps(wish).encode()


def epoch_of(epochs, epoch):
    """Give what is known of an epoch."""
    return epochs.setdefault(str(epoch), {"seen": [], "lost": [], "last": 0})


def has(stretches, number):
    """Say whether *number* lies in one of *stretches*."""
    return any(first <= number <= last for first, last in stretches)


def add(stretches, first, last):
    """Add numbers to *stretches*, which stay sorted and apart."""
    near = [one for one in stretches if one[0] <= last + 1 and one[1] >= first - 1]
    merged = [min([first, *(one[0] for one in near)]), max([last, *(one[1] for one in near)])]
    stretches[:] = sorted([one for one in stretches if one not in near] + [merged])
