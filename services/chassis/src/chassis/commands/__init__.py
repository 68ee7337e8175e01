"""Commands: a cause, a decision, one write."""

from chassis.commands.causes import Decision, Event, Request, TooOld
from chassis.commands.run import execute
from chassis.store import Cause, cause_id

__all__ = ["Cause", "Decision", "Event", "Request", "TooOld", "cause_id", "execute"]
