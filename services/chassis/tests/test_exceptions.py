"""What is kept of an exception: a stable reason or its class, never a text that may quote somebody."""

import pytest
from chassis.domain import DomainError
from chassis.exceptions import failure_reason
from chassis.messaging.policies import PermanentFailure


class Known(DomainError):
    """It states a reason."""

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
def test_a_failure_is_kept_by_reason_or_class(error, reason):
    """A library's `reason` that is a sentence counts as a text."""
    assert failure_reason(error) == reason
