"""Pictures of a video file, as if a camera had sent them: decoded by one thread, scaled when asked for.

This folder's one way to PyAV. Nothing of a clip is written anywhere.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from agent.core.errors import GatewayError
from pipelines.vision.arrays import Pixels

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.video.frame import VideoFrame
    from av.video.plane import VideoPlane
    from av.video.stream import VideoStream

_USUAL_RATE: Final = 25.0  # where a file does not say


class Clip:
    """Each *every*-th picture of a file; *rate*: how many a second were taken, if the file is wrong."""

    def __init__(self, path: Path, *, every: int = 1, rate: float | None = None) -> None:
        self.path = path
        self.frames = 0  # in the file, 0 if nobody knows; counted when it was opened
        self.done = 0  # frames decoded so far
        self._every = every
        self._rate = rate

    def __iter__(self) -> Iterator[Still]:
        """Open the file and give its pictures."""
        import av

        try:
            with av.open(str(self.path)) as container:
                yield from self._stills(container)
        except FileNotFoundError:
            raise GatewayError(f"{self.path}: there is no such file") from None
        except av.FFmpegError as error:
            raise GatewayError(f"{self.path} cannot be read as a video: {error.strerror}") from error

    def _stills(self, container: InputContainer) -> Iterator[Still]:
        if not container.streams.video:
            raise GatewayError(f"{self.path} holds no video")
        stream = container.streams.video[0]
        one_thread(stream)
        self.frames = stream.frames
        told = float(stream.average_rate or stream.guessed_rate or _USUAL_RATE)
        scaler = Scaler()
        for number, frame in enumerate(container.decode(stream)):
            self.done = number + 1
            if number % self._every == 0:
                stamp: float | None = frame.time  # a raw stream has none
                if self._rate or stamp is None:
                    stamp = number / (self._rate or told)
                yield Still(frame, stamp, scaler)


class Scaler:
    """Scales the frames of one stream, and colours what was scaled; both remember how it is done."""

    def __init__(self) -> None:
        from av.video.reformatter import VideoReformatter

        self._sizes, self._colours = VideoReformatter(), VideoReformatter()

    def small(self, frame: VideoFrame, width: int, height: int) -> VideoFrame:
        """Scale *frame*, with its brightness as a plane of its own."""
        return self._sizes.reformat(frame, width, height, "yuv420p", interpolation="BILINEAR", threads=1)

    def coloured(self, small: VideoFrame) -> VideoFrame:
        """Give the blue, green and red of what was scaled."""
        return self._colours.reformat(small, format="bgr24", interpolation="BILINEAR", threads=1)


class Still:
    """One decoded frame; it is gone through once for each size, which costs more than all that follows."""

    def __init__(self, frame: VideoFrame, at: float, scaler: Scaler) -> None:
        self.at = at
        self._turns = round(frame.rotation / 90) % 4  # a telephone that was held upright says so
        sizes = (frame.height, frame.width) if self._turns % 2 else (frame.width, frame.height)
        self.width, self.height = sizes
        self._frame = frame
        self._scaler = scaler
        self._small: VideoFrame | None = None

    def luma(self, width: int, height: int) -> Pixels:
        """Scale its brightness alone."""
        small = self._scaled(width, height)
        return self._upright(_rows(small.planes[0])[:, : small.width])

    def bgr(self, width: int, height: int) -> Pixels:
        """Scale it, in colours."""
        small = self._scaler.coloured(self._scaled(width, height))
        rows = _rows(small.planes[0])[:, : 3 * small.width]
        return self._upright(rows.reshape(small.height, small.width, 3))

    def _scaled(self, width: int, height: int) -> VideoFrame:
        """Scale it as it lies."""
        if self._turns % 2:
            width, height = height, width
        if self._small is None or (self._small.width, self._small.height) != (width, height):
            self._small = self._scaler.small(self._frame, width, height)
        return self._small

    def _upright(self, pixels: Pixels) -> Pixels:
        return np.rot90(pixels, self._turns) if self._turns else pixels


def _rows(plane: VideoPlane) -> Pixels:
    """Give a plane's rows, each as long as it lies in memory; they are the plane's own bytes."""
    return np.frombuffer(memoryview(plane), np.uint8).reshape(-1, plane.line_size)[: plane.height]


def one_thread(stream: VideoStream) -> None:
    """Decode with one thread: more would only hold more frames in memory."""
    stream.thread_type = "NONE"
    stream.codec_context.thread_count = 1
