"""Reads one camera in a thread of its own: decodes, keeps the newest picture, comes back after trouble.

Whoever takes pictures never waits for a camera. The thread's own word about the camera is not trusted: a
watchdog outside looks only at how long ago a picture was new, and replaces a thread that hangs.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final, Protocol

from agent.core.sight import Sight
from agent.core.stream import Stream
from pipelines.vision.capture.burst import Burst
from pipelines.vision.capture.opening import SightError, opened, reason
from pipelines.vision.clip import Scaler, Still, one_thread

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.packet import Packet
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

_FIRST_PAUSE, _LONGEST_PAUSE = 1.0, 30.0
_AT_REST: Final = 60.0  # seconds of a good stream after which pauses are short again
_ADRIFT: Final = 1.0  # seconds by which stamps of a camera may differ from the time of arrival


class Where(Protocol):
    """What must be known to open a camera's stream."""

    @property
    def stream(self) -> Stream:
        """Where it is."""
        ...

    @property
    def user(self) -> str:
        """Who asks."""
        ...

    @property
    def password(self) -> str:
        """And with which password."""
        ...


class Latest:
    """The newest picture of one camera, between the thread that reads and the one that analyses."""

    def __init__(self, ring: threading.Condition, now: Callable[[], float]) -> None:
        self.sight = Sight.SILENT
        self.new_at = now()  # when the latest picture came
        self.tried_at = now()  # when the stream was last opened
        self.due = 0.0  # when the next one is wanted: one that comes before wakes nobody
        self.gone = False
        self._ring = ring
        self._now = now
        self._still: Still | None = None

    @property
    def waits(self) -> bool:
        """Say whether a picture waits to be taken."""
        return self._still is not None

    def put(self, still: Still) -> None:
        """Lay down a picture; one that waits there is dropped."""
        with self._ring:
            self._still, self.new_at, self.sight = still, self._now(), Sight.OK
            if self.new_at >= self.due:
                self._ring.notify()

    def take(self) -> Still | None:
        """Take the picture, if one waits."""
        with self._ring:
            still, self._still = self._still, None
        return still

    def fail(self, sight: Sight) -> None:
        """Note why no picture comes."""
        if not self.gone:
            self.sight = sight

    def now(self) -> float:
        """Give boot-time seconds."""
        return self._now()


class Reader(threading.Thread):
    """One life of a camera's thread; it ends soon after ``latest.gone`` is set."""

    def __init__(self, where: Where, latest: Latest, *, rate: float = 5.0, keyframes: bool = False) -> None:
        super().__init__(daemon=True)
        self._stream = where.stream
        self._latest = latest
        self._user, self._password = where.user, where.password
        self._rate = rate
        self._keyframes = keyframes
        self._begin: float | None = None  # what the stream's own time is counted from, in boot time
        self._tick = 0.0  # of the stream's own time, in seconds

    def run(self) -> None:
        """Read, and begin again after trouble, with growing pauses."""
        pause = _FIRST_PAUSE
        while not self._latest.gone:
            began = self._latest.tried_at = self._latest.now()
            shots = 0
            try:
                with opened(self._stream, self._user, self._password) as container:
                    shots = self._read(container)
            except SightError as error:
                self._latest.fail(error.sight)
            if shots == 1 and self._stream.kind == "http":
                time.sleep(max(0.0, began + 1 / self._rate - self._latest.now()))
                continue  # a camera that gives single pictures
            if shots and self._stream.kind == "file":
                continue  # from the beginning
            pause = _FIRST_PAUSE if self._latest.now() - began > _AT_REST else pause
            self._rest(pause * random.uniform(0.8, 1.2))
            pause = min(2 * pause, _LONGEST_PAUSE)

    def _read(self, container: InputContainer) -> int:
        """Decode until the stream ends; give how many pictures came."""
        import av

        if not container.streams.video:
            raise SightError(Sight.NO_VIDEO)
        stream = container.streams.video[0]
        one_thread(stream)
        if self._keyframes:
            stream.codec_context.skip_frame = "NONKEY"
        scaler, many = Scaler(), 0
        burst: Burst[Packet[VideoStream]] = Burst(alone=stream.codec_context.codec.intra_only)
        self._begin, self._tick = None, float(stream.time_base or 0)
        try:
            for packet in container.demux(stream):
                if self._latest.gone:
                    break
                comes = self._comes(packet)
                if not (ready := burst.take(packet, comes, self._latest.due)):
                    continue
                self._wait(comes)
                if frames := _decoded(ready):
                    self._latest.put(Still(frames[-1], self._stamp(frames[-1].time), scaler))
                    many += len(frames)
        except (av.FFmpegError, OSError) as error:
            if not many:
                raise SightError(reason(error, self._stream)) from None
            self._latest.fail(Sight.SILENT)
        return many

    def _comes(self, packet: Packet[VideoStream]) -> float:
        """Give the boot time at which a packet comes, of a file when it would have come."""
        if self._stream.kind != "file" or self._begin is None or packet.dts is None:
            return self._latest.now()
        return self._begin + packet.dts * self._tick

    def _stamp(self, told: float | None) -> float:
        """Give the boot time of a picture: by the camera's own even clock as long as that is near enough."""
        now = self._latest.now()
        if told is None:
            return now
        if self._begin is None:
            self._begin = now - told
        at = self._begin + told
        if self._stream.kind == "file":
            self._wait(at)
            now = max(at, self._latest.now())
        if abs(at - now) > _ADRIFT:
            self._begin, at = now - told, now
        return at

    def _wait(self, until: float) -> None:
        """Play a file at the speed at which it was taken: what was not sent yet cannot be decoded."""
        if self._stream.kind == "file" and (ahead := until - self._latest.now()) > 0:
            time.sleep(min(ahead, _ADRIFT))

    def _rest(self, seconds: float) -> None:
        until = self._latest.now() + seconds
        while not self._latest.gone and self._latest.now() < until:
            time.sleep(0.05)


def _decoded(packets: Sequence[Packet[VideoStream]]) -> list[VideoFrame]:
    """Decode *packets*, of which some may be damaged; the watchdog sees to it when they all are."""
    import av

    frames: list[VideoFrame] = []
    for one in packets:
        try:
            frames += one.decode()
        except av.InvalidDataError:
            continue
    return frames
