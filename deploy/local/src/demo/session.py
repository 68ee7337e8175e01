"""A sign-in as any client of the platform would hold it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self

from diwan.identity.v1 import identity_pb2 as identity


@dataclass(frozen=True)
class Session:
    """The tokens of somebody who is signed in; each service is shown its own, and accepts no other."""

    access_tokens: Mapping[str, str] = field(repr=False)
    refresh_token: str = field(repr=False)

    @classmethod
    def of(cls, pair: identity.TokenPair) -> Self:
        """What identity answered to a sign-in or a refresh."""
        # A copy: asked for a name that it does not hold, the message's own map makes one up.
        return cls(dict(pair.access_tokens), pair.refresh_token)

    def token(self, service: str) -> str:
        """The token to show this service."""
        return self.access_tokens[service]
