"""The order in which administrators end each other's role: one document, so that one of them always remains.

An administrator ends no role of their own. Of two who end each other at the same time, the second to be recorded here
is refused. So the administrator who ended a role last is still one, and the last one cannot be removed.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from identity.model.errors import AdministratorEnded

# A call in progress takes at most 30 seconds; a client repeats a request for 24 hours.
_REMEMBERED = timedelta(hours=24)


@dataclass(frozen=True)
class Administrators:
    """Administrators whose role was ended in the last 24 hours, with the time."""

    ended: Mapping[str, datetime] = field(default_factory=dict)

    def end(self, officer_id: str, ended_by: str, now: datetime) -> "Administrators":
        """Record the end of an administrator's role; AdministratorEnded if the caller's own was ended before."""
        recent = {each: time for each, time in self.ended.items() if now - time < _REMEMBERED}
        if ended_by in recent:
            raise AdministratorEnded
        return Administrators({**recent, officer_id: now})
