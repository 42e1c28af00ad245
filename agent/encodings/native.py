"""The native encoding: compact, self-describing JSON; ``docs/city/native.md`` is its description.

It refuses to hand out a body that a strict reader of the format would not take: every message is read back
through its closed struct before it leaves this file, which costs a tenth of the encoding.
"""

from __future__ import annotations

import re
import zlib
from base64 import b64encode
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Any, ClassVar, Final, Literal

import msgspec
from msgspec import UNSET, Meta

from agent.core.command import ANSWERS, Answer, Command, Verb
from agent.core.message import Head, Late, Loss, Message, Place, Previous, Sign, Status, Tip
from agent.core.product import Product, Route
from agent.core.record import Aggregate, Event, Record, State
from agent.core.settings import Settings
from agent.encodings import _native_commands as orders
from agent.encodings import _native_wire as wire
from agent.encodings._native_birth import births
from agent.encodings._records import coarse, coverage, named, values, windows, within
from agent.encodings._text import rounded, utc_text, word

HARD: Final = 128 * 1024
"""Bytes that no body may exceed: the least that a large city's broker takes."""
BIRTH: Final = 32 * 1024
"""Bytes above which a birth comes in parts."""
_MANY_LOSSES: Final = 200
_GZIP: Final = 31  # zlib's word for the gzip format with its largest window
_FEW: Final = 64  # figures from which the length of a whole window is guessed
_LOSS: Final = 150  # bytes that one stretch may take


def native_schema() -> dict[str, Any]:
    """Give the JSON Schema (draft 2020-12) that every message of this format passes."""
    schema: dict[str, Any] = msgspec.json.decode(_schema_text())
    return schema


class NativeSettings(Settings):
    """How the native format is written."""

    form: Annotated[
        Literal["batch", "single"],
        Meta(description="batch: all points of a window in one message; single: a message for each point."),
    ] = "batch"
    gzip: Annotated[bool, Meta(description="Compress figures and events where that makes them shorter.")] = (
        False
    )


_USUAL: Final = NativeSettings()


class Native:
    """Writes the native format for one gateway."""

    settings_type: ClassVar[type[Settings]] = NativeSettings
    late: Late = "marked"

    def __init__(self, place: Place, settings: NativeSettings = _USUAL) -> None:
        self._place = place
        self._settings = settings
        self._root = f"citygate/1/{place.city}/{place.site}/{place.gateway}"
        self._known: dict[str, tuple[Product, dict[str, float]]] = {}

    def batch(self, product: Product, head: Head, records: Sequence[Record]) -> Sequence[Message]:
        """Encode cleared records: one message for each window (more above 16 KB) and for each event."""
        done: list[Message] = []
        for event in records:
            if isinstance(event, Event):
                done.append(self._event(product, head, event, seq=head.seq + len(done)))
        for figures in windows(records):
            write = self._window if self._settings.form == "batch" else self._singles
            done.extend(write(product, head, figures, seq=head.seq + len(done)))
        return [_packed(one) for one in done] if self._settings.gzip else done

    def gap(self, product: str, head: Head, losses: Sequence[Loss]) -> Message:
        """Declare what was lost."""
        lost = [_lost(loss) for loss in _few(losses, head.most // _LOSS if head.most else _MANY_LOSSES)]
        return self._data(product, head, wire.Gap(e=head.epoch, s=head.seq, lost=lost))

    def start(self, product: str, head: Head, previous: Previous | None) -> Message:
        """Open an epoch on this route."""
        before = None
        if previous is not None:
            before = wire.Before(e=previous.epoch, last=previous.last, clean=previous.clean)
        body = wire.Start(e=head.epoch, s=head.seq, prev=before, policy=head.policy)
        return self._data(product, head, body)

    def time(self, product: str, head: Head, offset: float) -> Message:
        """Tell the offset that turns this boot's stamps into UTC seconds."""
        body = wire.Time(e=head.epoch, s=head.seq, boot=head.boot_id, offset=round(offset, 3))
        return self._data(product, head, body)

    def birth(self, product: Product, route: Route, head: Head, lid: str) -> Sequence[Message]:
        """Describe what will come on this route; above 32 KB in parts, each on a topic of its own."""
        del route  # who else may have it, and on which terms, is not this recipient's to know
        schema = f"citygate-1.2#{_schema_hash()}"
        parts = births(product, head, lid, schema=schema, most=within(head, BIRTH))
        topics = [
            f"{self._root}/b/{product.id}{f'/{n}' if n else ''}" for n in (0, *range(2, len(parts) + 1))
        ]
        return [
            Message(topic=topic, body=_checked(part), kind="birth", retain=True)
            for topic, part in zip(topics, parts, strict=True)
        ]

    def status(self, status: Status) -> Message:
        """Tell how the gateway does, to this recipient; routes are named by their product alone."""
        queue = status.queue
        body = wire.Health(
            state=word(status.state),
            lid=status.lid,
            e=status.epoch,
            policy=status.policy,
            outbox=wire.Waiting(
                n=queue.n,
                oldest=None if queue.oldest is None else utc_text(queue.oldest),
                bytes=queue.bytes,
                cap=queue.cap,
            ),
            routes={route.rpartition(".")[2]: said for route, said in status.routes},
            clock=word(status.clock),
            sw=status.software[:64],
            acl=list(status.acl) if status.acl else UNSET,
        )
        return self._status(body)

    def will(self, lid: str, epoch: int) -> Message:
        """Give what the broker shall say when the gateway vanishes."""
        return self._status(wire.Offline(lid=lid, e=epoch))

    def head(self, tip: Tip, key: bytes, sign: Sign) -> Message:
        """Tell the head of the ledger; the signature is over the body as it stands without ``sig``."""
        body = wire.Tip(
            lid=tip.lid,
            id=tip.id,
            hash=tip.hash,
            t=utc_text(int(tip.at)),
            policy=tip.policy,
            key=b64encode(key).decode(),
            sig="",
        )
        line = _ENCODER.encode(body).removesuffix(b',"sig":""}') + b"}"
        signed = msgspec.structs.replace(body, sig=b64encode(sign(line)).decode())
        return Message(topic=f"{self._root}/l", body=_checked(signed), kind="head", retain=True)

    def commands(self) -> Mapping[str, Verb]:
        """Give the topics on which commands come, each with its verb."""
        return {f"{self._root}/{end}": verb for end, verb in orders.TOPICS.items()}

    def read(self, verb: Verb, body: bytes) -> Command:
        """Read a command; raise ValueError if it is anything else than the one that *verb* names."""
        return orders.read(verb, body)

    def answer(self, head: Head, answer: Answer) -> Message:
        """Tell what became of a command."""
        made = self._data(ANSWERS, head, orders.reply(head, answer))
        topic = answer.reply_to or made.topic
        return msgspec.structs.replace(made, topic=topic, correlation=answer.correlation)

    def answers_at(self, topic: str) -> bool:
        """Say whether an answer may go to *topic*: to ``r`` or a level below it, and nowhere else."""
        return re.fullmatch(rf"{re.escape(self._root)}/r(/[a-z0-9-]{{1,64}})?", topic) is not None

    def example(self, verb: Verb, product: str, lid: str) -> bytes:
        """Write a command, as a recipient would."""
        return orders.example(verb, product, lid)

    def again(self, product: str) -> str:
        """Give the topic on which messages of *product* are sent once more."""
        return f"{self._root}/r/{product}"

    def schema(self) -> Mapping[str, Any]:
        """Give the schema that every body passes."""
        return native_schema()

    def _status(self, body: wire.Health | wire.Offline) -> Message:
        return Message(topic=f"{self._root}/s", body=_checked(body), kind="status", retain=True)

    def _data(self, product: str, head: Head, body: wire.Body, seq: int = 0) -> Message:
        return self._message(product, head, _checked(body), kind=body.k, seq=seq or head.seq)

    def _message(self, product: str, head: Head, text: bytes, *, kind: str, seq: int) -> Message:
        user = named(self._place.gateway, msgspec.structs.replace(head, seq=seq), product)
        topic = f"{self._root}/r" if product == ANSWERS else f"{self._root}/d/{product}"
        return Message(topic=topic, body=text, kind=kind, user=user)

    def _event(self, product: Product, head: Head, event: Event, *, seq: int) -> Message:
        at = coarse(event.at, product)
        body = wire.Happening(
            e=head.epoch,
            s=seq,
            t=utc_text(at),
            p=event.point,
            ev=word(event.kind),
            sev=word(event.severity),
            val=rounded(event.value, self._steps(product).get(event.point, 0.0)),
            u=event.unit[:32],
            text=event.text[:200],
            # the boot stamp is as coarse as t: it must not tell what t withholds
            **_unsynced(event.boot - (event.at - at), head, synced=event.synced),
        )
        return self._data(product.id, head, body, seq)

    def _window(
        self, product: Product, head: Head, figures: Sequence[Aggregate], *, seq: int
    ) -> Iterator[Message]:
        """Encode one window, in halves when it is too large."""
        if text := self._whole(product, head, figures, seq):
            yield self._message(product.id, head, text, kind="batch", seq=seq)
            return
        half = (len(figures) + 1) // 2
        first = list(self._window(product, head, figures[:half], seq=seq))
        yield from first
        yield from self._window(product, head, figures[half:], seq=seq + len(first))

    def _whole(self, product: Product, head: Head, figures: Sequence[Aggregate], seq: int) -> bytes:
        """Write *figures* as one body; empty if it is too large and can be divided."""
        if self._too_long(product, head, figures):
            return b""
        body = _batch(product, head, figures, seq, steps=self._steps(product))
        text = _ENCODER.encode(body)
        if len(text) > within(head) and len(figures) > 1:
            return b""
        _check(body, text, 2 + len(product.statistics))
        return text

    def _too_long(self, product: Product, head: Head, figures: Sequence[Aggregate]) -> bool:
        """Guess that a window is too large: written only to see that, it would be the most memory used."""
        if len(figures) <= _FEW:
            return False
        few = _batch(product, head, figures[:_FEW], head.seq, steps=self._steps(product))
        return len(_ENCODER.encode(few)) / _FEW * len(figures) > 1.1 * within(head)

    def _singles(
        self, product: Product, head: Head, figures: Sequence[Aggregate], *, seq: int
    ) -> Iterator[Message]:
        """Encode one window as a message for each point."""
        steps = self._steps(product)
        for number, one in enumerate(figures, seq):
            _, n, *values = _row(one, product, steps.get(one.point, 0.0))
            body = wire.Figure(
                e=head.epoch,
                s=number,
                t=utc_text(one.start),
                w=rounded(one.width, 0.001) or 0,
                p=one.point,
                n=n,
                f=dict(zip(product.statistics, values, strict=True)),
                x=UNSET if one.state is State.OK else _mark(one),
                **_unsynced(one.boot, head, synced=one.synced),
            )
            # to the ledger it is what a batch is: figures, with their retention
            yield self._message(product.id, head, _checked(body), kind="batch", seq=number)

    def _steps(self, product: Product) -> dict[str, float]:
        """Give the resolutions of the product's points that have one; made once for each plan."""
        known = self._known.get(product.id)
        if known is None or known[0] is not product:
            points = (*product.points, *product.published)
            steps = {one.name: one.resolution for one in points if one.resolution}
            known = self._known[product.id] = (product, steps)
        return known[1]


def _batch(
    product: Product, head: Head, figures: Sequence[Aggregate], seq: int, *, steps: Mapping[str, float]
) -> wire.Batch[Any]:
    marks = {one.point: _mark(one) for one in figures if one.state is not State.OK}
    first = figures[0]
    return wire.Batch(
        e=head.epoch,
        s=seq,
        t=utc_text(first.start),
        w=rounded(first.width, 0.001) or 0,
        c=["p", "n", *product.statistics],
        r=[_row(one, product, steps.get(one.point, 0.0)) for one in figures],
        x=marks or UNSET,
        **_unsynced(first.boot, head, synced=first.synced),
    )


def _row(figure: Aggregate, product: Product, step: float) -> tuple[Any, ...]:
    return (figure.point, figure.n, *(value for _, value in values(figure, product, step)))


def _mark(figure: Aggregate) -> wire.Mark:
    seen = coverage(figure)
    return wire.Mark(
        q=word(figure.state),
        cov=UNSET if seen is None else seen,
        why=word(figure.why) if figure.why else UNSET,
    )


def _unsynced(boot: float, head: Head, *, synced: bool) -> dict[str, Any]:
    return {} if synced else {"tq": "unsynced", "bt": round(boot, 3), "boot": head.boot_id}


def _lost(loss: Loss) -> wire.Lost:
    span = None
    if loss.begin is not None and loss.end is not None:
        span = (utc_text(loss.begin), utc_text(loss.end))
    return wire.Lost(why=word(loss.why), e=loss.epoch, first=loss.first, to=loss.last, n=loss.count, t=span)


def _few(losses: Sequence[Loss], most: int) -> Sequence[Loss]:
    """Keep a gap small: above *most* stretches, those of an epoch and reason become one (``n`` is true)."""
    if len(losses) <= min(most, _MANY_LOSSES):
        return losses
    merged: dict[tuple[str, int], Loss] = {}
    for loss in losses:
        known = merged.get((loss.why, loss.epoch))
        merged[loss.why, loss.epoch] = loss if known is None else _joined(known, loss)
    return list(merged.values())


def _joined(one: Loss, other: Loss) -> Loss:
    return Loss(
        why=one.why,
        epoch=one.epoch,
        first=min(one.first, other.first),
        last=None if one.last is None or other.last is None else max(one.last, other.last),
        count=None if one.count is None or other.count is None else one.count + other.count,
        begin=min((b for b in (one.begin, other.begin) if b is not None), default=None),
        end=max((e for e in (one.end, other.end) if e is not None), default=None),
    )


_ENCODER: Final = msgspec.json.Encoder()


def _checked(body: wire.Body) -> bytes:
    """Give the bytes of *body*, once they are checked."""
    text = _ENCODER.encode(body)
    _check(body, text)
    return text


def _check(body: wire.Body, text: bytes, columns: int = 0) -> None:
    """Have the strict reader take *text*, which is *body*; a ValidationError here is a bug of ours."""
    if len(text) > HARD:
        raise ValueError(f"a {body.k} of {len(text)} bytes is above the limit of {HARD}")
    wire.checker(type(body), columns).decode(text)


def _packed(message: Message) -> Message:
    """Compress the body, if that makes it shorter than it becomes by saying so."""
    # gzip without a time (RFC 1952): the same records give the same bytes
    packed = zlib.compress(message.body, wbits=_GZIP)
    said = ("enc", "gzip")
    if len(packed) + sum(map(len, said)) + 5 >= len(message.body):
        return message
    return msgspec.structs.replace(message, body=packed, utf8=False, user=(*message.user, said))


@cache
def _schema_text() -> bytes:
    return Path(__file__).with_name("native.schema.json").read_bytes()


@cache
def _schema_hash() -> str:
    return sha256(_schema_text()).hexdigest()[:12]
