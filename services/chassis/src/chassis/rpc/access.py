"""Who may call what, as each RPC states in its proto."""

from dataclasses import dataclass
from typing import Self

from diwan.options.v1 import options_pb2
from google.protobuf.descriptor import MethodDescriptor

from chassis.caller import Caller, Kind
from chassis.errors import AccessDenied


class AccessNotStatedError(Exception):
    """An RPC states nothing about who may call it; the server refuses to start."""


@dataclass(frozen=True)
class Access:
    """Who may call one RPC."""

    anyone: bool
    citizen: bool
    officer_roles: frozenset[str]
    services: frozenset[str]

    @classmethod
    def of(cls, method: MethodDescriptor) -> Self:
        """Read the option; AccessNotStatedError when the RPC states nothing."""
        option = method.GetOptions().Extensions[options_pb2.access]
        stated = cls(
            anyone=option.anyone,
            citizen=option.citizen,
            officer_roles=frozenset(option.officer_roles),
            services=frozenset(option.services),
        )
        if not (stated.anyone or stated.citizen or stated.officer_roles or stated.services):
            msg = f"{method.full_name} states no access: give it the option (diwan.options.v1.access)"
            raise AccessNotStatedError(msg)
        return stated

    def check(self, caller: Caller) -> None:
        """AccessDenied unless the caller may."""
        allowed = self.anyone or (
            (caller.kind is Kind.CITIZEN and self.citizen)
            or (caller.kind is Kind.OFFICER and not self.officer_roles.isdisjoint(caller.roles))
            or (caller.kind is Kind.SERVICE and caller.id in self.services)
        )
        if not allowed:
            raise AccessDenied("This caller may not call this RPC")
