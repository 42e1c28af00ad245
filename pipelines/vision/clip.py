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
    from av.video.reformatter import VideoReformatter
    from av.video.stream import VideoStream

_PLANAR: Final = frozenset(
    {"yuv420p", "yuvj420p", "yuv422p", "yuvj422p", "yuv444p", "yuvj444p", "nv12", "nv21", "gray"}
)
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
        from av.video.reformatter import VideoReformatter

        if not container.streams.video:
            raise GatewayError(f"{self.path} holds no video")
        stream = container.streams.video[0]
        one_thread(stream)
        self.frames = stream.frames
        told = float(stream.average_rate or stream.guessed_rate or _USUAL_RATE)
        reformatter = VideoReformatter()
        for number, frame in enumerate(container.decode(stream)):
            self.done = number + 1
            if number % self._every == 0:
                stamp: float | None = frame.time  # a raw stream has none
                if self._rate or stamp is None:
                    stamp = number / (self._rate or told)
                yield Still(frame, stamp, reformatter)


class Still:
    """One decoded frame."""

    def __init__(self, frame: VideoFrame, at: float, reformatter: VideoReformatter) -> None:
        self.at = at
        self._turns = round(frame.rotation / 90) % 4  # a telephone that was held upright says so
        sizes = (frame.height, frame.width) if self._turns % 2 else (frame.width, frame.height)
        self.width, self.height = sizes
        self._frame = frame
        self._reformatter = reformatter

    def luma(self, width: int, height: int) -> Pixels:
        """Scale its brightness alone: a plane of its own, mostly, which costs no conversion."""
        import cv2

        frame = self._frame
        if frame.format.name not in _PLANAR:
            frame = self._reformatter.reformat(frame, format="gray", threads=1)
        seen = _rows(frame.planes[0])[:, : frame.width]
        return np.asarray(cv2.resize(seen, (width, height), interpolation=cv2.INTER_LINEAR), np.uint8)

    def bgr(self, width: int, height: int) -> Pixels:
        """Scale and turn into colours in one go."""
        if self._turns % 2:
            width, height = height, width
        small = self._reformatter.reformat(
            self._frame, width, height, "bgr24", interpolation="BILINEAR", threads=1
        )
        pixels: Pixels = _rows(small.planes[0])[:, : 3 * width].reshape(height, width, 3)
        return np.rot90(pixels, self._turns) if self._turns else pixels


def _rows(plane: VideoPlane) -> Pixels:
    """Give a plane's rows, each as long as it lies in memory; they are the plane's own bytes."""
    return np.frombuffer(memoryview(plane), np.uint8).reshape(-1, plane.line_size)[: plane.height]


def one_thread(stream: VideoStream) -> None:
    """Decode with one thread: more would only hold more frames in memory."""
    stream.thread_type = "NONE"
    stream.codec_context.thread_count = 1
