"""The cause of a command, whose id makes the command idempotent."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID, uuid5

_NAMESPACE = UUID("6f0d3d5e-3f0b-5d1c-9a55-0d1a5c1e7a10")


def cause_id(*origin: str) -> str:
    """The UUID5 of an origin: caller, RPC and request id; or policy, source and event id; or timer and day.

    Each part is prefixed with its length, so that different origins give different ids.
    """
    return str(uuid5(_NAMESPACE, "".join(f"{len(part)}:{part}" for part in origin)))


@dataclass(frozen=True, kw_only=True)
class Cause:
    """The cause of a command. An aggregate records the id, so that a second run has no second effect.

    Attributes:
        id: a UUID5 made by `cause_id`, the same for each repetition of the cause.
        now: time of the decision, UTC.
        correlation: the journey's request number of the cause, or empty; the number in an aggregate's state has
            precedence.
    """

    id: str
    now: datetime
    correlation: str = ""

    @property
    def causation(self) -> str:
        """Id of the cause in the events of this command."""
        return self.id

    def new_id(self, kind: str = "") -> str:
        """A UUID5 for an object that this cause creates: the same cause and kind always give the same id."""
        return str(uuid5(UUID(self.id), kind))
