"""Errors: the conversion of a refusal to a `google.rpc.Status`, and the errors that all services share.

A service's model raises a closed set of subclasses of `DomainError`, each with its reason and canonical code.
`error_set` collects them, the server checks them at start, and `to_status` converts them. This module does not
import gRPC, so that connectors may import it.
"""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from types import ModuleType

from google.rpc import code_pb2, error_details_pb2, status_pb2

from chassis.domain import DomainError
from chassis.masks import mask_text

CODES: Mapping[str, int] = {name: number for name, number in code_pb2.Code.items() if number}
"""Numbers of the canonical failure codes by name, from google.rpc.Code."""

ErrorSet = frozenset[type[DomainError]]
"""A service's closed set: the refusals that its RPCs may return, in addition to those of the chassis."""

RETRY_AFTER = "retry_after_seconds"
"""Key of the metadata with the pause that the caller should make; the answer repeats it as a RetryInfo."""

MAX_VIOLATIONS = 20
"""With more violations the response's metadata could exceed 8 KiB; the client would receive RESOURCE_EXHAUSTED."""

_MAX_TEXT = 200
_REASON = re.compile(r"[A-Z][A-Z0-9_]{1,61}[A-Z0-9]")
_NOT_FOR_DOMAINS = frozenset({"UNKNOWN", "INTERNAL", "DATA_LOSS", "CANCELLED"})


class AddressTaken(Exception):
    """Another program listens on the address to listen on; a retry would not help."""


@dataclass(frozen=True)
class FieldViolation:
    """A field at fault: its path in the request and the violated rule, never its value."""

    field: str
    rule: str


class ChassisError(DomainError):
    """An error that all services share. One with code INTERNAL is a fault; its details are not returned to callers."""

    reason = "INTERNAL"
    code = "INTERNAL"


class RequestIdReused(ChassisError):
    """The request id was used before with other content, or for another aggregate."""

    reason = "REQUEST_ID_REUSED"
    code = "ALREADY_EXISTS"


class Contended(ChassisError):
    """Too many concurrent changes of the same aggregate; the caller may try again."""

    reason = "CONTENDED"
    code = "ABORTED"


class UpstreamUnavailable(ChassisError):
    """Another service that the response depends on is unavailable."""

    reason = "UPSTREAM_UNAVAILABLE"
    code = "UNAVAILABLE"


class UpstreamRefused(ChassisError):
    """Another service that the response depends on refused the call; see `upstream_reason`."""

    reason = "UPSTREAM_REFUSED"
    code = "FAILED_PRECONDITION"


class KeysUnavailable(ChassisError):
    """No key to check tokens with: none is stored and identity is unavailable."""

    reason = "KEYS_UNAVAILABLE"
    code = "UNAVAILABLE"


class TokenMissing(ChassisError):
    """The RPC requires a bearer token; the call has none."""

    reason = "TOKEN_MISSING"
    code = "UNAUTHENTICATED"


class TokenExpired(ChassisError):
    """The token has expired."""

    reason = "TOKEN_EXPIRED"
    code = "UNAUTHENTICATED"


class TokenInvalid(ChassisError):
    """The token's signature, form, issuer, audience or use is wrong; which one is not disclosed."""

    reason = "TOKEN_INVALID"
    code = "UNAUTHENTICATED"


class TokenRevoked(ChassisError):
    """The token was revoked: its session has ended, or its holder's rights have changed. Sign in again."""

    reason = "TOKEN_REVOKED"
    code = "UNAUTHENTICATED"


class ConfirmationInvalid(ChassisError):
    """The statement of confirmation is malformed, or not for this content, purpose or account."""

    reason = "CONFIRMATION_INVALID"
    code = "FAILED_PRECONDITION"


class ConfirmationMismatch(ConfirmationInvalid):
    """The statement of confirmation is valid, but for other content: it was changed after the confirmation."""

    reason = "CONFIRMATION_MISMATCH"


class ConfirmationRevoked(ConfirmationInvalid):
    """The session in which the content was confirmed has ended: confirm it again."""

    reason = "CONFIRMATION_REVOKED"


class ConfirmationExpired(ChassisError):
    """The statement of confirmation has expired."""

    reason = "CONFIRMATION_EXPIRED"
    code = "FAILED_PRECONDITION"


class AccessDenied(ChassisError):
    """The caller is authenticated, but not authorized."""

    reason = "ACCESS_DENIED"
    code = "PERMISSION_DENIED"


class DeadlineExceeded(ChassisError):
    """The deadline of the call has passed."""

    reason = "DEADLINE_EXCEEDED"
    code = "DEADLINE_EXCEEDED"


class Unimplemented(ChassisError):
    """The RPC is declared but not implemented."""

    reason = "UNIMPLEMENTED"
    code = "UNIMPLEMENTED"


class Invalid(ChassisError):
    """The request violates the rules of its proto."""

    reason = "VALIDATION"
    code = "INVALID_ARGUMENT"

    def __init__(self, violations: Sequence[FieldViolation]) -> None:
        super().__init__("The request breaks rules of its fields")
        self.violations = tuple(violations[:MAX_VIOLATIONS])


def error_set(*modules: ModuleType) -> ErrorSet:
    """The refusals that these modules of a service define, without base classes, which have no reason."""
    defined = {
        kind
        for module in modules
        for kind in vars(module).values()
        if isinstance(kind, type) and issubclass(kind, DomainError) and kind.__module__ == module.__name__
    }
    bases = {base for kind in defined for base in kind.__mro__[1:]}
    return frozenset(kind for kind in defined if kind.reason or kind not in bases)


def check_errors(errors: Collection[type[DomainError]]) -> None:
    """Raise TypeError when a class of a service's set has an invalid reason or code; called at start."""
    by_reason: dict[str, type[DomainError]] = {}
    for kind in errors:
        if not _REASON.fullmatch(kind.reason):
            raise TypeError(f"{kind.__qualname__}.reason must be UPPER_SNAKE_CASE of 3 to 63 characters")
        if kind.code not in CODES or kind.code in _NOT_FOR_DOMAINS:
            raise TypeError(f"{kind.__qualname__}.code: {kind.code!r} is not a canonical code for a refusal")
        other = by_reason.setdefault(kind.reason, kind)
        if other is not kind:
            raise TypeError(
                f"{kind.__qualname__} and {other.__qualname__} have the same reason {kind.reason}"
            )


def code_of(error: BaseException, errors: ErrorSet) -> str:
    """The canonical code name of an exception; "INTERNAL" for an undeclared one."""
    refusal = _declared(error, errors)
    return refusal.code if refusal else "INTERNAL"


def reason_of(error: BaseException, errors: ErrorSet) -> str:
    """The stable reason of an exception as returned to callers; "INTERNAL" for an undeclared one."""
    refusal = _declared(error, errors)
    return refusal.reason if refusal else "INTERNAL"


def _declared(error: BaseException, errors: ErrorSet) -> DomainError | None:
    """The exception if it is a refusal that may be returned to callers, else None."""
    if not isinstance(error, DomainError) or error.code == "INTERNAL":
        return None
    return error if isinstance(error, ChassisError) or type(error) in errors else None


def to_status(error: BaseException, service: str, errors: ErrorSet) -> status_pb2.Status:
    """Convert an exception to the status of the response.

    It always has one ErrorInfo (reason, domain `diwan.<service>`, metadata), one BadRequest if fields are at fault,
    and one RetryInfo if the metadata have `retry_after_seconds`. It has no details of an undeclared exception. Texts
    are masked, because they leave the platform.
    """
    refusal = _declared(error, errors)
    status = status_pb2.Status(
        code=CODES[code_of(error, errors)],
        message=_short(str(refusal)) if refusal else "Something went wrong on our side",
    )
    metadata = refusal.metadata if refusal else {}
    status.details.add().Pack(
        error_details_pb2.ErrorInfo(
            reason=reason_of(error, errors),
            domain=f"diwan.{service}",
            metadata={key: _short(value) for key, value in metadata.items()},
        )
    )
    if pause := metadata.get(RETRY_AFTER):
        retry = error_details_pb2.RetryInfo()
        retry.retry_delay.FromNanoseconds(round(float(pause) * 1e9))
        status.details.add().Pack(retry)
    violations = _violations(refusal) if refusal else ()
    if violations:
        bad = error_details_pb2.BadRequest()
        for violation in violations:
            path, rule = violation.field[:_MAX_TEXT], violation.rule[:_MAX_TEXT]
            bad.field_violations.add(field=path, description=rule)
        status.details.add().Pack(bad)
    return status


def _violations(error: DomainError) -> Sequence[FieldViolation]:
    if isinstance(error, Invalid):
        return error.violations
    return (FieldViolation(error.field, error.reason),) if error.field else ()


def _short(text: str) -> str:
    return mask_text(text)[:_MAX_TEXT]
