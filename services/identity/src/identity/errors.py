"""The closed set of identity's errors, and those that a retry does not repair."""

from chassis.errors import error_set

from identity.model import errors

ERRORS = error_set(errors)

NON_RETRYABLE = (errors.IdentityError,)
"""An event that causes one of these is parked without a retry; its sender corrects the record and replays it."""
