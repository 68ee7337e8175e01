"""The stored part of an exception: its reason or its class, never its text, which may contain personal data."""

import pytest
from chassis.domain import DomainError
from chassis.exceptions import failure_reason
from chassis.messaging.policies import PermanentFailure


class Known(DomainError):
    """An error with a reason."""

    reason = "KNOWN"
    code = "NOT_FOUND"


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (Known("29901011234567 is known"), "KNOWN"),
        (PermanentFailure("SAID_AT_THE_RAISE"), "SAID_AT_THE_RAISE"),
        (PermanentFailure("LookupError"), "LookupError"),
        (ValueError("29901011234567"), "ValueError"),
        (UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid start byte"), "UnicodeDecodeError"),
    ],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
def test_a_failure_is_stored_as_reason_or_class(error, reason):
    """The attribute `reason` of a library's exception is a text."""
    assert failure_reason(error) == reason
