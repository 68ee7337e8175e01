"""Commands: a cause, a decision, one write."""

from chassis.commands.causes import CommandRequest, Decision, EventCause, TooOld
from chassis.commands.run import execute
from chassis.store import Cause, cause_id

__all__ = ["Cause", "CommandRequest", "Decision", "EventCause", "TooOld", "cause_id", "execute"]
