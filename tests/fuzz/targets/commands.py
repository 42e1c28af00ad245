"""What a recipient may write to the gateway: a replay, a rebirth, and where it wants the answer."""

from __future__ import annotations

from typing import Final

from agent.core.clock import Instant
from agent.core.command import LARGEST, Answer, Heard, Wanted
from agent.core.message import Head, Place
from agent.core.plan import Recipient
from agent.encodings.native import Native
from agent.outbox.again import Page
from agent.uplink.commands import BURST, Commands
from tests.fuzz.target import MARK, Target, pure, texts

_ROOT: Final = "citygate/1/vaasa/library/gw1"
_LID: Final = "3f9c0a1b"


class _Shelf:
    """Nothing was delivered; answers are kept."""

    def __init__(self) -> None:
        self.answers: list[Answer] = []

    async def page(self, wanted: Wanted, most: int) -> Page | None:
        raise AssertionError(f"{wanted} {most}: nothing is read before it is time to send")

    def answer(self, answer: Answer) -> None:
        self.answers.append(answer)

    def save(self, state: object) -> None:
        assert state is None or isinstance(state, list)

    def saved(self) -> object | None:
        return None


def _asked(data: bytes) -> None:
    """Obey what is a command, refuse everything else in words of ours, and write nowhere but below r."""
    native, shelf = Native(Place(city="vaasa", site="library", gateway="gw1")), _Shelf()
    city = Recipient(name="city", host="127.0.0.1", port=1883, commands=("replay", "rebirth"))
    births: list[int] = []
    commands = Commands(
        city, native, shelf, lambda: Instant(0.0, 1e9), rebirth=lambda: births.append(1), stir=lambda: None
    )
    commands.configure(["energy"], _LID)
    replay, rebirth, reply_to, correlation = texts(data, 4)
    said = Heard(f"{_ROOT}/c/replay", replay, reply_to=reply_to.decode("latin-1"), correlation=correlation)
    for heard in (said, Heard(f"{_ROOT}/c/rebirth", rebirth), Heard(f"{_ROOT}/c/x", replay)):
        commands.hear(heard)
    assert len(shelf.answers) <= BURST
    assert len(births) <= 1
    assert len(replay) <= LARGEST or not commands.replays.waiting
    for answer in shelf.answers:
        message = native.answer(Head(epoch=1, seq=1, policy="p"), answer)  # which the strict reader takes
        assert message.topic == f"{_ROOT}/r" or message.topic.startswith(f"{_ROOT}/r/")
        assert message.topic != f"{_ROOT}/r/energy"
        assert answer.wanted is None or answer.wanted.product == "energy"


_WISH: Final = b'{"v":1,"k":"replay","lid":"3f9c0a1b","product":"energy","e":1,"from":1,"to":9}'
_AGAIN: Final = b'{"v":1,"k":"rebirth"}'

TARGETS: Final = (
    Target(
        name="commands",
        about="commands to the gateway, with where to answer",
        prepare=pure(_asked),
        seeds=lambda: [
            MARK.join((_WISH, _AGAIN, f"{_ROOT}/r/loader".encode(), b"\0\1")),
            MARK.join((_WISH.replace(b"energy", b"people"), _WISH, f"{_ROOT}/d/energy".encode())),
            MARK.join((_AGAIN, b"null", b"", b"x" * 65)),
        ],
        words=(
            b'"product":',
            b'"energy"',
            b"9007199254740991",
            b"1e3",
            b"[",
            b"{",
            b"/r/energy",
            b"+",
            b"NaN",
        ),
        everyday=400,
    ),
)
