"""The closed set of identity's refusals, and those that no retry repairs."""

from chassis.errors import error_set

from identity.model import errors

ERRORS = error_set(errors)

NON_RETRYABLE = (errors.IdentityError,)
"""An event that meets one of these is parked at once: its sender repairs the record, and replays."""
