"""Errors: how a refusal becomes a `google.rpc.Status`.

A service's model raises exceptions of its own, a closed set. Each class has `reason` (UPPER_SNAKE_CASE,
stable, what programs look at) and may carry `metadata` (dict[str, str], no personal data) and `field` (path
of the request field at fault). One table of the service gives each class its canonical code; `to_status` does
the rest. The chassis's own errors state their `code` themselves. Nothing here knows gRPC, so that connectors
may import it.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from google.rpc import error_details_pb2, status_pb2

from chassis.masks import mask_text

CODES: Mapping[str, int] = {
    "CANCELLED": 1,
    "UNKNOWN": 2,
    "INVALID_ARGUMENT": 3,
    "DEADLINE_EXCEEDED": 4,
    "NOT_FOUND": 5,
    "ALREADY_EXISTS": 6,
    "PERMISSION_DENIED": 7,
    "RESOURCE_EXHAUSTED": 8,
    "FAILED_PRECONDITION": 9,
    "ABORTED": 10,
    "OUT_OF_RANGE": 11,
    "UNIMPLEMENTED": 12,
    "INTERNAL": 13,
    "UNAVAILABLE": 14,
    "DATA_LOSS": 15,
    "UNAUTHENTICATED": 16,
}
"""Canonical codes by name, as google.rpc.Code numbers them."""


ErrorTable = Mapping[type[Exception], str]
"""A service's closed set: exception class -> canonical code name."""

MAX_VIOLATIONS = 20
"""More would push the answer's metadata over 8 KiB, which the client then sees as RESOURCE_EXHAUSTED."""

_MAX_TEXT = 200
_REASON = re.compile(r"[A-Z][A-Z0-9_]{1,61}[A-Z0-9]")
_NOT_FOR_DOMAINS = frozenset({"UNKNOWN", "INTERNAL", "DATA_LOSS", "CANCELLED"})


class AddressTaken(Exception):
    """Where we should listen, another program does; waiting would not mend it."""


@dataclass(frozen=True)
class FieldViolation:
    """A field at fault: its path in the request and the rule it breaks, never its value."""

    field: str
    rule: str


class ChassisError(Exception):
    """A refusal that every service shares."""

    reason: ClassVar[str] = "INTERNAL"
    code: ClassVar[str] = "INTERNAL"

    def __init__(
        self, message: str = "", *, metadata: Mapping[str, str] | None = None, field: str | None = None
    ) -> None:
        super().__init__(message or self.reason)
        self.metadata = dict(metadata or {})
        self.field = field


class RequestIdReused(ChassisError):
    """The same request id came with other content, or for something else where that would have been allowed."""

    reason = "REQUEST_ID_REUSED"
    code = "ALREADY_EXISTS"


class Contended(ChassisError):
    """Others were faster too many times in a row; the caller may try again."""

    reason = "CONTENDED"
    code = "ABORTED"


class UpstreamUnavailable(ChassisError):
    """Another service, which is needed for the answer, does not answer."""

    reason = "UPSTREAM_UNAVAILABLE"
    code = "UNAVAILABLE"


class KeysUnavailable(ChassisError):
    """No key to check tokens with: none is kept and identity does not answer."""

    reason = "KEYS_UNAVAILABLE"
    code = "UNAVAILABLE"


class TokenMissing(ChassisError):
    """The RPC wants a bearer token and got none."""

    reason = "TOKEN_MISSING"
    code = "UNAUTHENTICATED"


class TokenExpired(ChassisError):
    """The token was good once."""

    reason = "TOKEN_EXPIRED"
    code = "UNAUTHENTICATED"


class TokenInvalid(ChassisError):
    """The token's signature, form, issuer, audience or use is wrong; which one is not told."""

    reason = "TOKEN_INVALID"
    code = "UNAUTHENTICATED"


class ConfirmationInvalid(ChassisError):
    """The statement of confirmation is not one, or not for this content, purpose or account."""

    reason = "CONFIRMATION_INVALID"
    code = "FAILED_PRECONDITION"


class ConfirmationMismatch(ConfirmationInvalid):
    """The statement of confirmation is good, but of another content: it was changed after it was confirmed."""

    reason = "CONFIRMATION_MISMATCH"


class ConfirmationExpired(ChassisError):
    """The statement of confirmation was good once."""

    reason = "CONFIRMATION_EXPIRED"
    code = "FAILED_PRECONDITION"


class AccessDenied(ChassisError):
    """We know who calls, and they may not."""

    reason = "ACCESS_DENIED"
    code = "PERMISSION_DENIED"


class DeadlineExceeded(ChassisError):
    """The call's time is over."""

    reason = "DEADLINE_EXCEEDED"
    code = "DEADLINE_EXCEEDED"


class Unimplemented(ChassisError):
    """The RPC is declared but not served."""

    reason = "UNIMPLEMENTED"
    code = "UNIMPLEMENTED"


class Invalid(ChassisError):
    """The request breaks its own proto's rules."""

    reason = "VALIDATION"
    code = "INVALID_ARGUMENT"

    def __init__(self, violations: Sequence[FieldViolation]) -> None:
        super().__init__("The request breaks rules of its fields")
        self.violations = tuple(violations[:MAX_VIOLATIONS])


def check_table(table: ErrorTable) -> None:
    """Raise TypeError when an entry of a service's table could not become an answer; called at start."""
    for kind, code in table.items():
        reason = getattr(kind, "reason", None)
        if not isinstance(reason, str) or not _REASON.fullmatch(reason):
            msg = f"{kind.__qualname__}.reason must be UPPER_SNAKE_CASE of 3 to 63 characters"
            raise TypeError(msg)
        if code not in CODES or code in _NOT_FOR_DOMAINS:
            msg = f"{kind.__qualname__}: {code!r} is not a canonical code for a refusal"
            raise TypeError(msg)


def code_of(error: BaseException, table: ErrorTable) -> str:
    """The canonical code name of an exception; "INTERNAL" for one that nobody declared."""
    declared = next((table[kind] for kind in type(error).__mro__ if kind in table), None)
    own = getattr(type(error), "code", None)
    return declared or (own if isinstance(own, str) and own in CODES else "INTERNAL")


def reason_of(error: BaseException, table: ErrorTable) -> str:
    """The stable reason of an exception; "INTERNAL" for one that nobody declared."""
    if code_of(error, table) == "INTERNAL":
        return "INTERNAL"
    return str(getattr(error, "reason", "INTERNAL"))


def to_status(error: BaseException, service: str, table: ErrorTable) -> status_pb2.Status:
    """Turn an exception into the answer's status.

    One ErrorInfo (reason, domain `diwan.<service>`, metadata) always; one BadRequest where fields are at
    fault. An exception that nobody declared tells nothing of itself. Texts are masked: they leave the house.
    """
    code = code_of(error, table)
    known = code != "INTERNAL"
    status = status_pb2.Status(
        code=CODES[code], message=_short(str(error)) if known else "Something went wrong on our side"
    )
    metadata = getattr(error, "metadata", None) or {} if known else {}
    status.details.add().Pack(
        error_details_pb2.ErrorInfo(
            reason=reason_of(error, table),
            domain=f"diwan.{service}",
            metadata={key: _short(str(value)) for key, value in metadata.items()},
        )
    )
    violations = _violations(error) if known else ()
    if violations:
        bad = error_details_pb2.BadRequest()
        for violation in violations:
            path, rule = violation.field[:_MAX_TEXT], violation.rule[:_MAX_TEXT]
            bad.field_violations.add(field=path, description=rule)
        status.details.add().Pack(bad)
    return status


def _violations(error: BaseException) -> Sequence[FieldViolation]:
    if isinstance(error, Invalid):
        return error.violations
    field = getattr(error, "field", None)
    if not isinstance(field, str) or not field:
        return ()
    return (FieldViolation(field, str(getattr(error, "reason", ""))),)


def _short(text: str) -> str:
    return mask_text(text)[:_MAX_TEXT]
