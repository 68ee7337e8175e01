"""A service's clients of other services: one channel to each, with the service's own token."""

import asyncio
from typing import Any

from chassis.rpc.client import connect, identity_exchange, identity_keys
from chassis.settings import ServiceSettings, variable
from chassis.times import Clock, utc_now
from chassis.tokens import ServiceTokens, read_key
from chassis.tokens.keys import Fetch

CLIENT_KEY = "client.jwk"
"""File in a service's key folder with the private key by which identity knows the service."""


class Clients:
    """Channels to other services, made when they are first wanted and closed together."""

    def __init__(self, name: str, settings: ServiceSettings, *, clock: Clock = utc_now) -> None:
        """Prepare; connects to nothing yet.

        Args:
            name: of the service that calls.
            settings: targets (`<other>_target`, variable `<NAME>_<OTHER>_TARGET`) and key folder.
            clock: UTC.
        """
        self._name = name
        self._settings = settings
        self._clock = clock
        # Without a token: a channel with one would want a token in order to get one.
        self._identity = connect(settings.identity_target) if settings.identity_target else None
        self._tokens: ServiceTokens | None = None
        self._channels: dict[str, Any] = {}

    @property
    def signing_keys(self) -> Fetch | None:
        """How to get identity's public keys; None without a target of identity, which identity itself has not."""
        return identity_keys(self._identity) if self._identity else None

    def channel(self, other: str) -> Any:
        """The `grpc.aio.Channel` to another service, for that service's stub; the same one each time.

        Raises:
            ValueError: the settings have no target of that service, or none of identity.
            OSError: the key folder has no client key.
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
        """The service's tokens, one store of them for all channels."""
        if self._tokens is None:
            if self._identity is None:
                raise ValueError(f"{self._name} gets no tokens: it has no target of identity")
            key = read_key(self._settings.keys_dir / CLIENT_KEY)
            self._tokens = ServiceTokens(
                self._name, key, identity_exchange(self._identity), clock=self._clock
            )
        return self._tokens
