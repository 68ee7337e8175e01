"""Who calls."""

from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """What sort of caller a token speaks of."""

    ANONYMOUS = "anonymous"
    CITIZEN = "citizen"
    OFFICER = "officer"
    SERVICE = "service"


@dataclass(frozen=True, kw_only=True)
class Caller:
    """Who calls, as their token says; nobody in particular by default.

    Attributes:
        id: account, officer or client id, opaque; "" for anonymous.
        person: the registry's person behind it, opaque; "" when there is none.
        roles: roles of an officer.
        office: office of an officer, "" for the whole country.
        channel: where the caller signed in, such as `portal`.
        acting_for: the account for which a service acts, "" when it acts for itself.
    """

    kind: Kind = Kind.ANONYMOUS
    id: str = ""
    person: str = ""
    roles: frozenset[str] = frozenset()
    office: str = ""
    channel: str = ""
    acting_for: str = ""

    @property
    def key(self) -> str:
        """What makes two calls the same caller's."""
        return f"{self.kind}/{self.id}/{self.acting_for}"


ANONYMOUS = Caller()
