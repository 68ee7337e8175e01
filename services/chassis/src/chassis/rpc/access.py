"""Access to RPCs, as each states it in its proto."""

from dataclasses import dataclass
from typing import Self

from diwan.options.v1 import options_pb2
from google.protobuf.descriptor import MethodDescriptor

from chassis.caller import Caller, Kind
from chassis.errors import AccessDenied


class AccessNotStatedError(Exception):
    """An RPC has no access option; the server refuses to start."""


@dataclass(frozen=True)
class Access:
    """The callers that may call one RPC, and whether identity verifies the token of an officer at each call."""

    anyone: bool
    citizen: bool
    officer_roles: frozenset[str]
    services: frozenset[str]
    verified_by_identity: bool = False

    @classmethod
    def of(cls, method: MethodDescriptor) -> Self:
        """Read the RPC's access option; AccessNotStatedError when it is missing or empty."""
        option = method.GetOptions().Extensions[options_pb2.access]
        stated = cls(
            anyone=option.anyone,
            citizen=option.citizen,
            officer_roles=frozenset(option.officer_roles),
            services=frozenset(option.services),
            verified_by_identity=option.verified_by_identity,
        )
        if not (stated.anyone or stated.citizen or stated.officer_roles or stated.services):
            msg = f"{method.full_name} states no access: give it the option (diwan.options.v1.access)"
            raise AccessNotStatedError(msg)
        return stated

    def asks_identity(self, caller: Caller) -> bool:
        """Whether identity must verify the caller's token before the call."""
        return self.verified_by_identity and caller.kind is Kind.OFFICER

    def check(self, caller: Caller) -> None:
        """Raise AccessDenied unless the caller may call the RPC."""
        allowed = self.anyone or (
            (caller.kind is Kind.CITIZEN and self.citizen)
            or (caller.kind is Kind.OFFICER and not self.officer_roles.isdisjoint(caller.roles))
            or (caller.kind is Kind.SERVICE and caller.id in self.services)
        )
        if not allowed:
            raise AccessDenied("This caller may not call this RPC")
