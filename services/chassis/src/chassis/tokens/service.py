"""A service's own access tokens for calls to other services."""

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
from chassis.tokens.assertions import sign_assertion

Exchange = Callable[[str, str, str], Awaitable[tuple[str, datetime]]]
"""(assertion, audience, acting_for) -> (token, expiry): IdentityService.IssueServiceToken."""

RENEW_BEFORE: Final = timedelta(seconds=60)
"""Time before its expiry at which a token is replaced."""

CACHED_MAX: Final = 1000

acting_for: ContextVar[str] = ContextVar("acting_for", default="")
"""The account in whose name this task calls other services, "" for the service itself."""


@dataclass(frozen=True)
class _CachedToken:
    token: str
    expires_at: datetime


class ServiceTokens:
    """Obtains tokens with the service's own key (private_key_jwt), and caches them until shortly before expiry."""

    def __init__(self, client: str, key: ECKey, exchange: Exchange, *, clock: Clock = utc_now) -> None:
        self._client = client
        self._key = key
        self._exchange = exchange
        self._clock = clock
        self._cache: OrderedDict[tuple[str, str], _CachedToken] = OrderedDict()
        self._locks: dict[tuple[str, str], asyncio.Lock] = {}

    async def token(self, audience: str, acting_for: str = "") -> str:
        """A token for calls to `audience`, in the name of an account if one is given.

        Raises:
            grpc.RpcError: identity refuses, or does not answer: the errors of the exchange.
        """
        key = (audience, acting_for)
        if token := self._cached(key):
            return token
        # Concurrent callers share one exchange.
        lock = self._locks.setdefault(key, asyncio.Lock())
        try:
            async with lock:
                return self._cached(key) or await self._request(key)
        finally:
            if not lock.locked():
                self._locks.pop(key, None)

    def forget(self, audience: str, acting_for: str = "") -> None:
        """Drop a token that the called service did not accept."""
        self._cache.pop((audience, acting_for), None)

    def _cached(self, key: tuple[str, str]) -> str:
        entry = self._cache.get(key)
        if entry is None or self._clock() >= entry.expires_at - RENEW_BEFORE:
            return ""
        self._cache.move_to_end(key)
        return entry.token

    async def _request(self, key: tuple[str, str]) -> str:
        assertion = sign_assertion(self._key, self._client, self._clock(), str(uuid.uuid4()))
        token, expires_at = await self._exchange(assertion, *key)
        self._cache[key] = _CachedToken(token, expires_at)
        while len(self._cache) > CACHED_MAX:
            self._cache.popitem(last=False)
        return token
