"""What makes a command happen, and happen once."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID, uuid5

_NAMESPACE = UUID("6f0d3d5e-3f0b-5d1c-9a55-0d1a5c1e7a10")


def cause_id(*origin: str) -> str:
    """The UUID5 of an origin: caller, RPC and request id; or policy, source and event id; or timer and day.

    Each part is written with its length before it, so that no two origins run together into one.
    """
    return str(uuid5(_NAMESPACE, "".join(f"{len(part)}:{part}" for part in origin)))


@dataclass(frozen=True, kw_only=True)
class Cause:
    """Why a command runs. An aggregate remembers the id, so that a second run has no second effect.

    Attributes:
        id: a UUID5 made by `cause_id`, the same each time this cause comes again.
        now: the moment of the decision, UTC.
        correlation: the journey's request number as the cause carries it, or empty; that of an aggregate's state
            comes before it.
    """

    id: str
    now: datetime
    correlation: str = ""

    @property
    def causation(self) -> str:
        """What the events of this command name as their cause."""
        return self.id

    def new_id(self, kind: str = "") -> str:
        """A UUID5 for what this cause makes: the same cause and kind always give the same id."""
        return str(uuid5(UUID(self.id), kind))
