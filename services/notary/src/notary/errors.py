"""The closed set of notary's refusals, and those that no retry repairs."""

from chassis.errors import error_set

from notary.document_renderer import document
from notary.model import errors

ERRORS = error_set(errors, document)

NON_RETRYABLE = (errors.NotaryError, document.DocumentError)
"""An event that meets one of these is parked at once, for a person."""
