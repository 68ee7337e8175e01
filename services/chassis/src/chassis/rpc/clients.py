"""A service's clients of other services: one channel to each, with the service's own token."""

import asyncio
from functools import partial
from typing import Any

from chassis.rpc.client import connect, identity_exchange, identity_keys, identity_verify
from chassis.settings import ServiceSettings, variable
from chassis.times import Clock, utc_now
from chassis.tokens import ServiceTokens, read_signing_key
from chassis.tokens.keys import Fetch, Verify

CLIENT_KEY = "client.jwk"
"""File in a service's key folder with the private key that authenticates the service to identity."""


class Clients:
    """Channels to other services, created at their first use and closed together."""

    def __init__(self, name: str, settings: ServiceSettings, *, clock: Clock = utc_now) -> None:
        """Prepare the clients; no connection is made yet.

        Args:
            name: name of the calling service.
            settings: targets (`<other>_target`, variable `<NAME>_<OTHER>_TARGET`) and key folder.
            clock: current time, UTC.
        """
        self._name = name
        self._settings = settings
        self._clock = clock
        # Without a token, because this channel is used to get the token.
        self._identity = connect(settings.identity_target) if settings.identity_target else None
        self._tokens: ServiceTokens | None = None
        self._channels: dict[str, Any] = {}

    @property
    def signing_keys(self) -> Fetch | None:
        """Fetches identity's public keys; None without a target of identity, as in identity itself."""
        return identity_keys(self._identity) if self._identity else None

    @property
    def verify_token(self) -> Verify | None:
        """Asks identity about a caller's token; None without a target of identity, as in identity itself."""
        return identity_verify(partial(self.channel, "identity")) if self._identity else None

    def channel(self, other: str) -> Any:
        """The `grpc.aio.Channel` to another service, for that service's stub; the same object for each call.

        Raises:
            ValueError: the settings have no target of the other service, or none of identity.
            WrongSetting: the key folder has no client key, or an unusable one.
        """
        if other not in self._channels:
            target = self._target(other)
            self._channels[other] = connect(target, self._own_tokens())
        return self._channels[other]

    async def close(self) -> None:
        """Close every channel."""
        channels = [*self._channels.values(), *([self._identity] if self._identity else [])]
        await asyncio.gather(*(channel.close() for channel in channels))

    def _target(self, other: str) -> str:
        target: str = getattr(self._settings, f"{other}_target", "")
        if not target:
            setting = variable(type(self._settings), f"{other}_target")
            raise ValueError(f"{self._name} calls {other}: {setting} must be a setting, and set")
        return target

    def _own_tokens(self) -> ServiceTokens:
        """The service's tokens, one object for all channels."""
        if self._tokens is None:
            if self._identity is None:
                raise ValueError(f"{self._name} gets no tokens: it has no target of identity")
            key = read_signing_key(self._settings.keys_dir / CLIENT_KEY)
            self._tokens = ServiceTokens(
                self._name, key, identity_exchange(self._identity), clock=self._clock
            )
        return self._tokens
