"""One row of the matrix: a real gateway at work, hurt once, mended, and what everybody saw of it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from agent.core.errors import GatewayError
from agent.status import ask
from tests.faults.books import Books
from tests.faults.journal import Journal
from tests.faults.matrix import Row, Seen, keep
from tests.faults.site import SHARING, SITE, Daemon, until, write_site
from tests.faults.ways import Way, way
from tests.peers import libmodbus
from tests.peers.mosquitto import Mosquitto, Tls

PRODUCTS: Final = 3
_PASSING_ON: Final = "max_queued_messages 0"  # so that its own death loses nothing that it had acknowledged
_STARTING: Final = 40.0
_SETTLING: Final = 30.0
_CALM: Final = 75.0  # what has failed again and again must have worked for a minute

__all__ = ["SHARING", "SITE", "Trial"]


class Trial:
    """A meter, a broker, a city and a gateway; between gateway and both others a way that breaks."""

    def __init__(
        self, row: Row, folder: Path, stack: ExitStack, *, tls: Tls | None = None, more: str = ""
    ) -> None:
        self.row = row
        self.folder = folder
        self.stack = stack
        self.meter = stack.enter_context(libmodbus.serve())
        self.meter_way: Way = stack.enter_context(way(self.meter.port))
        self.broker = Mosquitto(folder, tls=tls, more=f"{_PASSING_ON}\n{more}")
        self.broker.start()
        stack.callback(self.broker.kill)
        self.broker_way: Way = stack.enter_context(way(self.broker.port))
        self.books: Books
        self.journal = Journal(folder / "journal")
        stack.callback(self.journal.close)
        self.config = folder / "etc"
        self.daemon: Daemon
        self.began = 0.0
        self.mended = 0.0
        self._products = 0

    def begin(
        self,
        *,
        edit: Callable[[str], str] = str,
        share: Callable[[str], str] = str,
        state: Path | None = None,
        prepare: Callable[[Daemon], None] = lambda _: None,
        city: int = 0,
    ) -> None:
        """Start the gateway on a site with one meter and wait until each product has come.

        *edit* and *share* change the files, *prepare* the daemon before its start; the city listens on the
        port *city*, or on that of the broker.
        """
        write_site(self.config, meter=self.meter_way.port, broker=self.broker_way.port, products=PRODUCTS)
        for name, change in (("site.toml", edit), ("sharing.toml", share)):
            file = self.config / name
            file.write_text(change(file.read_text("utf-8")), "utf-8")
        self._products = (self.config / "sharing.toml").read_text("utf-8").count("[product.")
        self.books = Books(city or self.broker.port)
        self.stack.callback(self.books.close)
        self.daemon = Daemon(self.folder, self.config, state=state, journal=self.journal)
        self.stack.callback(self.daemon.close)
        prepare(self.daemon)
        self.daemon.start()
        self.wait(lambda: self._whole_since(0.0), seconds=_STARTING, what="a whole window of each")
        moment = time.monotonic()  # and another: the first may have begun with the gateway
        self.wait(lambda: self._whole_since(moment), seconds=_STARTING, what="another whole window of each")

    @contextmanager
    def hurt(self) -> Iterator[None]:
        """Do damage in the block, which ends with all mended."""
        self.began = time.monotonic()
        yield
        self.mended = time.monotonic()

    def judge(self, *, calendar: bool = True, crashes: bool = False) -> Seen:
        """Wait until all is well, and hold what was seen against the row.

        *calendar*: it has no hole that is not declared; *crashes*: a service may crash.
        """
        row = self.row
        self.wait(self.well, seconds=row.within + _SETTLING, what="recovery")
        seconds = max(0.0, self._whole_at() - self.mended)
        if calendar:
            self.wait(lambda: not self.books.undeclared(), seconds=_SETTLING, what="whole books")
        for code in row.codes:  # that a service works is told only when it has worked for a while
            self.told(code, seconds=_CALM)
        seen = self._seen(round(seconds, 1))
        story = f"{seen}\n{self.journal.text()}\n{self.daemon.log.read_text()}"
        assert not self.books.faults, story
        # that a count is withheld for being small has no reason but itself
        reasons = {one.partition(" ")[2] for one in seen.marks if one != "suppressed"}
        assert set(row.reasons) <= reasons <= {*row.reasons, *row.may}, story
        assert set(row.gaps) == set(seen.gaps), story
        assert seen.lost <= row.lost, story
        assert seen.seconds <= row.within, story
        assert crashes or not [line for _, line in self.journal.lines if "Traceback" in line["MESSAGE"]], (
            story
        )
        keep(seen)
        return seen

    def well(self) -> bool:
        """Say whether all is well again: nothing waits, all devices answer, and a whole window came since."""
        told = self.status()
        return bool(
            told
            and told["state"] == "online"
            and all(one["connected"] and one["queue"]["n"] <= PRODUCTS for one in told["recipients"])
            and self._whole_since(self.mended)
        )

    def status(self) -> dict[str, Any]:
        """Ask the gateway how it does; empty while it does not answer."""
        try:
            return ask(self.daemon.socket, {"ask": "status"}, patience=5.0)
        except GatewayError:
            return {}

    def marked(self, why: str, *, seconds: float = 30.0) -> float:
        """Wait until a window that carries this reason has come to the city; give how long that took."""

        def came() -> bool:
            return any(mark.endswith(f" {why}") for body in self._batches() for mark in _marks(body))

        return self.wait(came, seconds=seconds, what=f"a window marked {why}")

    def told(self, code: str, *, seconds: float = 30.0) -> float:
        """Wait until the log has said *code* since the damage was done; give how long that took."""
        wanted = set(code.split("|"))

        def came() -> bool:
            return bool(wanted & set(self.journal.codes(self.began)))

        return self.wait(came, seconds=seconds, what=code)

    def wait(self, true: Callable[[], bool], *, seconds: float, what: str) -> float:
        """Wait; the log is part of the failure's message."""
        try:
            return until(true, seconds=seconds, what=what)
        except AssertionError as error:
            books = f"undeclared: {self.books.undeclared()[:6]}; gaps: {self.books.gaps}"
            log = f"{self.journal.text()}\n{self.daemon.log.read_text()}"
            raise AssertionError(f"{error}\n{books}\n{log}") from None

    def _whole_since(self, moment: float) -> bool:
        found = {body["p_"] for body in self._batches() if _is_since(body, moment)}
        return len(found) == self._products

    def _whole_at(self) -> float:
        """Give when each product had had a whole window that lies after the mending."""
        first: dict[str, float] = {}
        for body in self._batches():
            if _is_since(body, self.mended):
                first.setdefault(body["p_"], body["at_"])
        return max(first.values())

    def _batches(self) -> list[dict[str, Any]]:
        return [body for body in list(self.books.bodies) if body["k"] == "batch"]

    def _seen(self, seconds: float) -> Seen:
        bodies = [body for body in self._batches() if body["at_"] >= self.began]
        gaps = [lost["why"] for _, lost in self.books.gaps]
        width = max(self.books.width.values())
        lost = [product for product, _ in self.books.holes()]
        return Seen(
            name=self.row.name,
            marks=tuple(sorted({mark for body in bodies for mark in _marks(body)})),
            gaps=tuple(sorted(set(gaps))),
            codes=tuple(dict.fromkeys(self.journal.codes(self.began))),
            lost=max((lost.count(one) for one in set(lost)), default=0),
            repeats=self.books.repeats,
            late=sum(body["at_"] - _begun(body) > width + 3.0 for body in bodies),
            seconds=seconds,
        )


def _begun(body: Mapping[str, Any]) -> float:
    """Give the monotonic time at which a window began."""
    utc = datetime.fromisoformat(body["t"]).timestamp()
    return utc - time.time() + time.monotonic()


def _is_since(body: Mapping[str, Any], moment: float) -> bool:
    """Say whether it is a whole window that began after *moment*; none comes before it is over."""
    return moment <= _begun(body) < body["at_"] and not _marks(body)


def _marks(body: Mapping[str, Any]) -> set[str]:
    found = body.get("x", {}).values()
    return {" ".join(word for word in (one["q"], one.get("why", "")) if word) for one in found}
