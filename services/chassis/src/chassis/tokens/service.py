"""A service's own tokens, with which it calls others."""

import asyncio
import uuid
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from joserfc.jwk import ECKey

from chassis.times import Clock, utc_now
from chassis.tokens.jwt import sign_assertion

Exchange = Callable[[str, str, str], Awaitable[tuple[str, datetime]]]
"""(assertion, audience, acting_for) -> (token, its end): IdentityService.IssueServiceToken."""

EARLY: Final = timedelta(seconds=60)
"""How long before its end a token is replaced."""

MAX_KEPT: Final = 1000

acting_for: ContextVar[str] = ContextVar("acting_for", default="")
"""The account for which this task calls other services, "" for the service itself."""


@dataclass(frozen=True)
class _Kept:
    token: str
    ends: datetime


class ServiceTokens:
    """Gets tokens with the service's own key (private_key_jwt), and keeps them almost to their end."""

    def __init__(self, client: str, key: ECKey, exchange: Exchange, *, clock: Clock = utc_now) -> None:
        self._client = client
        self._key = key
        self._exchange = exchange
        self._clock = clock
        self._kept: OrderedDict[tuple[str, str], _Kept] = OrderedDict()
        self._locks: dict[tuple[str, str], asyncio.Lock] = {}

    async def token(self, audience: str, acting_for: str = "") -> str:
        """A token for calls to `audience`, for an account if we act for one; raises what the exchange does."""
        wanted = (audience, acting_for)
        if kept := self._good(wanted):
            return kept
        # One question for all who ask at once.
        lock = self._locks.setdefault(wanted, asyncio.Lock())
        try:
            async with lock:
                return self._good(wanted) or await self._get(wanted)
        finally:
            if not lock.locked():
                self._locks.pop(wanted, None)

    def forget(self, audience: str, acting_for: str = "") -> None:
        """Drop a token that the other side did not accept."""
        self._kept.pop((audience, acting_for), None)

    def _good(self, wanted: tuple[str, str]) -> str:
        kept = self._kept.get(wanted)
        if kept is None or self._clock() >= kept.ends - EARLY:
            return ""
        self._kept.move_to_end(wanted)
        return kept.token

    async def _get(self, wanted: tuple[str, str]) -> str:
        assertion = sign_assertion(self._key, self._client, self._clock(), str(uuid.uuid4()))
        token, ends = await self._exchange(assertion, *wanted)
        self._kept[wanted] = _Kept(token, ends)
        while len(self._kept) > MAX_KEPT:
            self._kept.popitem(last=False)
        return token
