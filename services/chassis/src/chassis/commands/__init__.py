"""Commands: a cause, a decision, one write."""

from chassis.commands.causes import CommandRequest, ContentChanged, Decision, EventCause, TooOld
from chassis.commands.executor import execute, execute_for_state
from chassis.store import Cause, cause_id

__all__ = [
    "Cause",
    "CommandRequest",
    "ContentChanged",
    "Decision",
    "EventCause",
    "TooOld",
    "cause_id",
    "execute",
    "execute_for_state",
]
