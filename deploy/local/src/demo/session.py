"""The session of a signed-in user, as a client of the platform holds it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self

from diwan.identity.v1 import identity_pb2 as identity


@dataclass(frozen=True)
class Session:
    """The tokens of a signed-in user; each service accepts only its own access token."""

    access_tokens: Mapping[str, str] = field(repr=False)
    refresh_token: str = field(repr=False)
    device_token: str = field(default="", repr=False)

    @classmethod
    def of(cls, pair: identity.TokenPair) -> Self:
        """Create a session from identity's answer to a sign-in or a refresh."""
        # A copy: a protobuf map inserts a default value when a missing key is read.
        return cls(dict(pair.access_tokens), pair.refresh_token, pair.device_token)

    def token(self, service: str) -> str:
        """Return the access token for a service; KeyError when there is none."""
        return self.access_tokens[service]
