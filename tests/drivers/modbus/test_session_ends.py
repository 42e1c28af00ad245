"""Why a connection ended is told as the system says it, and nothing is told twice."""

from __future__ import annotations

import asyncio
import errno
import ssl

import pytest

from drivers.modbus.frames import Question
from drivers.modbus.frames_tcp import TcpFrames
from drivers.modbus.request import POLITE, Request
from drivers.modbus.session import LinkLostError, Session, reason

ASKED = Request(1, "holding", 0, 1)


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (OSError(errno.ECONNREFUSED, "Connect call failed ('10.0.0.5', 502)"), "Connection refused"),
        (OSError(errno.EPERM, "by the fire wall"), "Operation not permitted"),
        (OSError(-2, "Name or service not known"), "Name or service not known"),
        (OSError("it hung up"), "it hung up"),
    ],
)
def test_a_reason_is_what_the_system_calls_it_or_what_the_error_says(error: OSError, said: str) -> None:
    assert reason(error) == said


def test_a_reason_of_encryption_is_what_was_wrong_with_the_certificate_or_with_the_talk() -> None:
    refused = ssl.SSLCertVerificationError(1, "[SSL: CERTIFICATE_VERIFY_FAILED] verify failed")
    refused.verify_message = "certificate has expired"
    assert reason(refused) == "certificate has expired"
    broken = ssl.SSLError(1, "[SSL] wrong version number (_ssl.c:1006)")
    broken.reason = "WRONG_VERSION_NUMBER"
    assert reason(broken) == "WRONG_VERSION_NUMBER"
    assert "wrong version number" in reason(ssl.SSLError(1, "wrong version number"))


class Wires(asyncio.Transport):
    """What a session writes to, and whether it let go of it."""

    def __init__(self) -> None:
        super().__init__()
        self.sent = b""
        self.gone = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.sent += bytes(data)

    def abort(self) -> None:
        self.gone = True


def connected() -> tuple[Session, Wires, TcpFrames, list[str]]:
    frames, wires, told = TcpFrames(), Wires(), list[str]()
    session = Session(frames, "10.0.0.5 port 502", lambda one, _: told.append(one.ended))
    session.connection_made(wires)
    return session, wires, frames, told


async def test_a_reply_that_nobody_waits_for_any_more_is_let_go() -> None:
    session, wires, frames, told = connected()
    frame = frames.ask(Question(1, ASKED.body, ASKED.reply_bytes, POLITE))
    asking = asyncio.create_task(session.exchange(frame, 9.0))
    await asyncio.sleep(0)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    session.data_received(frame[:5] + b"\x05\x01\x03\x02\x00\x07")
    assert (told, session.ended, wires.gone) == ([], "", False)


async def test_a_connection_that_we_close_ourselves_is_no_loss() -> None:
    session, wires, _, told = connected()
    session.close()
    session.connection_lost(None)
    session.gone("the adapter was unplugged")
    assert (told, session.ended, wires.gone) == ([], "closed", True)


async def test_the_first_reason_for_an_end_is_the_one_that_is_told() -> None:
    session, _, _, told = connected()
    session.gone("the adapter was unplugged")
    session.gone("it hung up")
    session.connection_lost(OSError(errno.EIO, "input/output error"))
    session.close()
    assert told == ["the adapter was unplugged"]
    with pytest.raises(LinkLostError, match="the adapter was unplugged"):
        await session.exchange(b"", 1.0)
