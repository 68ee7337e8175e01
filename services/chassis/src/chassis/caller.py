"""The caller of an RPC, as described by its token."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum


class Kind(StrEnum):
    """Kinds of callers."""

    ANONYMOUS = "anonymous"
    CITIZEN = "citizen"
    OFFICER = "officer"
    SERVICE = "service"


@dataclass(frozen=True, kw_only=True)
class Caller:
    """The caller of an RPC, from the claims of its token; anonymous by default.

    Attributes:
        kind: kind of the caller.
        id: account, officer or client id, opaque; "" for anonymous.
        person: the registry's id of the person, opaque; "" when there is none.
        roles: roles of an officer.
        office: office of an officer, "" for the whole country.
        channel: channel of the sign-in, such as `portal`.
        acting_for: the account for which a service acts, "" when it acts for itself.
        session: the session of a citizen or officer, opaque; "" for a service.
        issued_at: time of issue of the token, UTC, whole seconds; None for anonymous.
    """

    kind: Kind = Kind.ANONYMOUS
    id: str = ""
    person: str = ""
    roles: frozenset[str] = frozenset()
    office: str = ""
    channel: str = ""
    acting_for: str = ""
    session: str = ""
    issued_at: datetime | None = field(default=None, compare=False)

    @property
    def key(self) -> str:
        """Identity of the caller for idempotency: equal for two calls of one caller."""
        return f"{self.kind}/{self.id}/{self.acting_for}"


ANONYMOUS = Caller()
