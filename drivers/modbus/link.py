"""One TCP connection to a Modbus endpoint, and the questions asked over it, one at a time.

The thin seam over pymodbus 3.16: its transaction and transport layers, our framer. It never has two
sockets to an endpoint, never repeats a request by itself, and never waits without an end. A connection
that the other end closes between two questions is opened again by the next one (many devices close when
idle); one that ends under a question, dies of silence, or cannot be opened, raises DriverError. Source for
the socket options: tcp(7), RFC 5482.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import socket
from collections.abc import Callable, Sequence
from typing import Final

from msgspec import Struct
from pymodbus.exceptions import ModbusIOException
from pymodbus.pdu import (
    ModbusPDU,
    ReadCoilsRequest,
    ReadDeviceInformationRequest,
    ReadHoldingRegistersRequest,
)
from pymodbus.pdu.bit_message import ReadDiscreteInputsRequest
from pymodbus.pdu.register_message import ReadInputRegistersRequest
from pymodbus.transaction import TransactionManager
from pymodbus.transport import CommParams, CommType

from agent.core.clock import Clock
from agent.core.errors import DriverError
from drivers.modbus.figures import Figures
from drivers.modbus.point import Table
from drivers.modbus.request import Answer, Fault, Request, why
from drivers.modbus.strict import Reply, StrictSocket

_ASK: Final[dict[Table, type[ModbusPDU]]] = {
    "coil": ReadCoilsRequest,
    "discrete": ReadDiscreteInputsRequest,
    "holding": ReadHoldingRegistersRequest,
    "input": ReadInputRegistersRequest,
}
_CONNECT: Final = 5.0
_DEAD_AFTER_MS: Final = 4000  # unacknowledged for so long: the connection is gone
_KEEPALIVE: Final = ((socket.TCP_KEEPIDLE, 10), (socket.TCP_KEEPINTVL, 2), (socket.TCP_KEEPCNT, 3))
_HEARD: Final = 10.0  # a connection on which nobody has answered for so long is opened anew
_EVER: Final = 1 << 60
_UNREACHABLE: Final = frozenset((errno.ETIMEDOUT, errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EHOSTDOWN))

# what it logs at each timeout is in our samples, figures and errors already
logging.getLogger("pymodbus.logging").setLevel(logging.CRITICAL)


class LinkLostError(DriverError):
    """The connection ended, or could not be opened."""


class _Connection(TransactionManager):
    """pymodbus' transaction layer for the life of one socket: it never reconnects and never counts us out."""

    def __init__(self, where: str, params: CommParams, on_end: Callable[[str, bool], None]) -> None:
        self._where, self._on_end = where, on_end
        self.strict = StrictSocket(self._garbage)
        super().__init__(params, self.strict, 0, False, None, None, None)
        self.max_until_disconnect = self.count_until_disconnect = _EVER
        self.asking = False
        self.ended = ""

    def callback_disconnected(self, exc: Exception | None) -> None:
        """Fail the question in flight at once, instead of letting it wait for its timeout."""
        super().callback_disconnected(exc)
        if isinstance(exc, OSError) and exc.errno in _UNREACHABLE:
            self._fail(f"{self._where} is out of reach: {_reason(exc)}", dead=True)
        else:
            reason = f": {_reason(exc)}" if isinstance(exc, OSError) else ""
            self._fail(f"{self._where} closed the connection{reason}")

    def _garbage(self, data: bytes) -> None:
        self._fail(
            f"{self._where} sent bytes that are no Modbus TCP ({data[:8].hex(' ')}); "
            "is it a serial converter in transparent mode?"
        )
        self.close()

    def _fail(self, sentence: str, *, dead: bool = False) -> None:
        self.ended = sentence
        if self.asking and not self.response_future.done():
            self.response_future.set_exception(LinkLostError(sentence))
        self._on_end(sentence, dead)


class Endpoint(Struct, frozen=True):
    """Where to connect, how long to wait for a reply, and how long to pause after connecting (seconds)."""

    host: str
    port: int
    timeout: float
    connect_delay: float = 0.0


class TcpLink:
    """Asks one endpoint; opens its connection when first needed."""

    def __init__(self, endpoint: Endpoint, clock: Clock, figures: Figures) -> None:
        self._to = endpoint
        self._where = f"{endpoint.host} port {endpoint.port}"
        self._clock = clock
        self._lock = asyncio.Lock()
        self._connection: _Connection | None = None
        self._heard = 0.0
        self._dead = asyncio.Event()
        self._ending = ""
        self.figures = figures

    async def __aenter__(self) -> TcpLink:
        return self

    async def __aexit__(self, *failure: object) -> None:
        self.close()

    @property
    def connected(self) -> bool:
        """Whether a connection is open."""
        return self._connection is not None and self._connection.is_active()

    def close(self) -> None:
        """Close the connection; the next question opens another one."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        self.figures.connected(up=False)

    async def watch(self) -> None:
        """Raise DriverError as soon as the kernel finds the other end out of reach, asked or not."""
        await self._dead.wait()
        raise LinkLostError(self._ending)

    async def ask(self, request: Request, timeout: float | None = None) -> Answer | Fault:  # noqa: ASYNC109
        """Read; give the bytes or why there are none; raise DriverError when the connection is lost."""
        pdu = _ASK[request.table](address=request.start, count=request.count, dev_id=request.unit)
        reply = await self._execute(pdu, request.reply_bytes, timeout or self._to.timeout)
        return reply if isinstance(reply, Fault) else Answer(reply.data[2:], reply.at)

    async def identify(self, unit: int, timeout: float) -> Answer | Fault:  # noqa: ASYNC109
        """Ask for the device identification; the answer's bytes begin with the list of objects."""
        pdu = ReadDeviceInformationRequest(read_code=1, object_id=0, dev_id=unit)
        reply = await self._execute(pdu, 0, timeout)
        return reply if isinstance(reply, Fault) else Answer(reply.data[7:], reply.at)

    async def _execute(self, pdu: ModbusPDU, reply_bytes: int, limit: float) -> Answer | Fault:
        async with self._lock:
            connection = await self._open()
            strict, refused = connection.strict, connection.strict.refused
            strict.expect(reply_bytes)
            connection.comm_params.timeout_connect = limit  # pymodbus has one timeout for both
            sent = self._clock.boot()
            connection.asking = True
            try:
                reply = await connection.execute(False, pdu)
            except ModbusIOException:
                return self._unanswered(connection, bad=strict.refused > refused)
            except LinkLostError:
                self.close()
                raise
            finally:
                connection.asking = False
                self.figures.asked(dropped=strict.refused - refused)
            assert isinstance(reply, Reply)
            self._heard = at = self._clock.boot()
            return self._answer(reply.body, at, at - sent)

    def _answer(self, body: bytes, at: float, rtt: float) -> Answer | Fault:
        code = body[1] if body[0] & 0x80 else 0
        self.figures.answered(rtt, code)
        return Fault(why(code), at, code) if code else Answer(body, at)

    def _unanswered(self, connection: _Connection, *, bad: bool) -> Fault:
        """Note a timeout; leave a connection that hangs in the middle of a frame, or is silent for long."""
        now = self._clock.boot()
        self.figures.timed_out()
        if connection.strict.half or now - self._heard > max(_HEARD, 3 * self._to.timeout):
            self.close()
        return Fault("bad_reply" if bad or connection.strict.half else "no_reply", now)

    async def _open(self) -> _Connection:
        if self._connection is not None and self._connection.is_active():
            return self._connection
        self.close()
        host, port = self._to.host, self._to.port
        params = CommParams(self._where, CommType.TCP, reconnect_delay=0.0, host=host, port=port)
        connection = _Connection(self._where, params, self._ended)
        try:
            async with asyncio.timeout(_CONNECT):
                transport, _ = await asyncio.get_running_loop().create_connection(
                    lambda: connection, host, port
                )
        except TimeoutError:
            raise LinkLostError(f"{self._where} did not take a connection within {_CONNECT:.0f} s") from None
        except OSError as error:
            raise LinkLostError(f"no connection to {self._where}: {_reason(error)}") from error
        self._connection = connection
        _watch(transport.get_extra_info("socket"), _KEEPALIVE)
        self.figures.connected(up=True)
        self._heard = self._clock.boot()
        await self._clock.sleep(self._to.connect_delay)
        if not connection.is_active():
            raise LinkLostError(f"{connection.ended} before anything was asked")
        return connection

    def _ended(self, sentence: str, dead: bool) -> None:
        self._ending = sentence
        self.figures.connected(up=False)
        if dead:
            self._dead.set()


def _reason(error: OSError) -> str:
    """Say what the system says; asyncio's own text repeats the address."""
    return os.strerror(error.errno) if error.errno and error.errno > 0 else error.strerror or str(error)


def _watch(sock: socket.socket, keepalive: Sequence[tuple[int, int]]) -> None:
    """Have the kernel find out soon that the other end is gone."""
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _DEAD_AFTER_MS)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in keepalive:
        sock.setsockopt(socket.IPPROTO_TCP, option, value)
