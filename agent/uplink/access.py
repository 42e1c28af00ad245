"""How we get in where a platform wants more than name and password: tokens that end, assigned brokers."""

from __future__ import annotations

from math import inf
from typing import Final

from msgspec.structs import replace

from agent.core.errors import UplinkError
from agent.core.message import Encoding
from agent.core.platform import Assigned, CanRegister, CanSignIn, Token
from agent.uplink.desk import UplinkDesk
from agent.uplink.port import Call, TwoWay

_RENEWAL: Final = 0.9  # of a token's life


class Access:
    """The way in for one recipient; ``renew_at`` is the boot-time second at which to connect anew."""

    def __init__(self, name: str, encoding: Encoding, desk: UplinkDesk) -> None:
        self.renew_at = inf
        self._name = name
        self._encoding = encoding
        self._desk = desk
        self._assigned: Assigned | None = None

    async def connect(self, call: Call) -> TwoWay:
        """Open the connection that *call* describes, once it is complete; raise UplinkError."""
        try:
            return await self._desk.connect(self._signed_in(await self._registered(call)))
        except UplinkError:
            self._assigned = None  # it may have been moved to another broker
            raise
        except ValueError as error:
            raise UplinkError(f"{self._name}: {error}") from error

    async def _registered(self, call: Call) -> Call:
        """Ask a provisioning service for the broker, where the platform has one; once, until that fails."""
        encoding = self._encoding
        if not isinstance(encoding, CanRegister) or (registration := encoding.registration()) is None:
            return call
        if self._assigned is None:
            from agent.uplink.registering import register  # one platform has such a service

            now, asking = self._desk.clock.now().utc, call
            if call.password:
                asking = replace(call, password=encoding.registration_token(call.password, now).password)
            self._assigned = await register(registration, asking, self._desk.connect, self._desk.clock)
        found = self._assigned
        if found.device != call.client_id:
            text = f'the service calls this device "{found.device}", not "{call.client_id}"'
            raise ValueError(f"{text}; write that name in the encoding")
        return replace(call, host=found.host, username=encoding.username(found.host))

    def _signed_in(self, call: Call) -> Call:
        """Make a password of a key, where the platform wants one that ends."""
        self.renew_at = inf
        if not isinstance(self._encoding, CanSignIn) or not call.password:
            return call
        now = self._desk.clock.now()
        token: Token = self._encoding.token(call.host, call.password, now.utc)
        self.renew_at = now.boot + (token.until - now.utc) * _RENEWAL
        return replace(call, password=token.password)
