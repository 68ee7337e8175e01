"""The closed set of notary's errors, and those that a retry does not repair."""

from chassis.errors import error_set

from notary.document_renderer import document
from notary.model import errors

ERRORS = error_set(errors, document)

NON_RETRYABLE = (errors.NotaryError, document.DocumentError)
"""An event that causes one of these is parked without a retry."""
