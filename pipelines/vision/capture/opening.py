"""Opens a camera's stream with PyAV: over TCP, with time-outs, by no protocol but the one asked for.

Errors become one of a closed set of words: what a library says of an address may hold the password in it.
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Final

from agent.core.sight import Sight
from agent.core.stream import Kind, Stream

if TYPE_CHECKING:
    from av.container import InputContainer

_OPEN_WITHIN, READ_WITHIN = 5.0, 2.0  # seconds; a library may take twice as long to notice
_MICROSECONDS: Final = 1_000_000
_OPTIONS: Final[dict[Kind, dict[str, str]]] = {
    "rtsp": {
        "rtsp_transport": "tcp",
        "allowed_media_types": "video",
        "protocol_whitelist": "rtsp,rtp,tcp",
        "timeout": str(int(READ_WITHIN * _MICROSECONDS)),
        "analyzeduration": "500000",  # a camera says what it sends; guessing would take seconds
    },
    "http": {
        "protocol_whitelist": "http,tcp",
        "format_whitelist": "mpjpeg,mjpeg,jpeg_pipe",
        "rw_timeout": str(int(READ_WITHIN * _MICROSECONDS)),
    },
    "usb": {},
    "file": {"protocol_whitelist": "file"},
}

_MEANINGS: Final = {
    errno.ECONNREFUSED: Sight.REFUSED,
    errno.ENOENT: Sight.NOT_FOUND,
    errno.ENODEV: Sight.NOT_FOUND,
    errno.EACCES: Sight.FILTERED,
    errno.EPERM: Sight.FILTERED,
}


class SightError(Exception):
    """A stream cannot be read; ``sight`` says why."""

    def __init__(self, sight: Sight) -> None:
        super().__init__(sight.word)
        self.sight = sight


def opened(stream: Stream, user: str, password: str) -> InputContainer:
    """Open *stream*; raise SightError when that fails."""
    import av

    url = stream.url(user, password)
    try:
        try:
            return _open(url, stream.kind, "v4l2" if stream.kind == "usb" else None)
        except av.ArgumentError:
            if stream.kind != "http":
                raise
            return _open(url, stream.kind, "jpeg_pipe")  # by its name the library takes it for a file
    except (av.FFmpegError, OSError) as error:
        raise SightError(reason(error, stream)) from None


def _open(url: str, kind: Kind, form: str | None) -> InputContainer:
    import av

    return av.open(url, format=form, options=dict(_OPTIONS[kind]), timeout=(_OPEN_WITHIN, READ_WITHIN))


def reason(error: Exception, stream: Stream) -> Sight:
    """Say in one word what an error of the library means."""
    import av

    number = getattr(error, "errno", None)
    if stream.kind == "usb" and number in (errno.EBUSY, errno.EACCES, errno.EPERM):
        return Sight.BUSY
    if number in _MEANINGS:
        return _MEANINGS[number]
    for kind, sight in (
        (av.HTTPUnauthorizedError, Sight.UNAUTHORISED),
        (av.HTTPForbiddenError, Sight.UNAUTHORISED),
        (av.HTTPNotFoundError, Sight.NOT_FOUND),
        (av.InvalidDataError, Sight.UNREADABLE),
    ):
        if isinstance(error, kind):
            return sight
    return Sight.UNREACHABLE if stream.host else Sight.UNREADABLE
