"""Errors: how a refusal becomes a `google.rpc.Status`.

A service's model raises a closed set of subclasses of `DomainError`, each with its reason and canonical code;
`error_set` collects them, the server checks them at start, and `to_status` makes the answer. The errors that every
service shares are here. Nothing here imports gRPC, so that connectors may import it.
"""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from types import ModuleType

from google.rpc import code_pb2, error_details_pb2, status_pb2

from chassis.domain import DomainError
from chassis.masks import mask_text

CODES: Mapping[str, int] = {name: number for name, number in code_pb2.Code.items() if number}
"""Canonical codes of failures by name, as google.rpc.Code numbers them."""

ErrorSet = frozenset[type[DomainError]]
"""A service's closed set: the refusals that its RPCs may answer with, beside those of the chassis."""

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


class ChassisError(DomainError):
    """An error that every service shares. One with code INTERNAL is a fault: a caller learns nothing of it."""

    reason = "INTERNAL"
    code = "INTERNAL"


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


def error_set(*modules: ModuleType) -> ErrorSet:
    """The refusals that these modules of a service define, without the base classes, which state no reason."""
    defined = {
        kind
        for module in modules
        for kind in vars(module).values()
        if isinstance(kind, type) and issubclass(kind, DomainError) and kind.__module__ == module.__name__
    }
    bases = {base for kind in defined for base in kind.__mro__[1:]}
    return frozenset(kind for kind in defined if kind.reason or kind not in bases)


def check_errors(errors: Collection[type[DomainError]]) -> None:
    """Raise TypeError when a class of a service's set could not become an answer; called at start."""
    known: dict[str, type[DomainError]] = {}
    for kind in errors:
        if not _REASON.fullmatch(kind.reason):
            raise TypeError(f"{kind.__qualname__}.reason must be UPPER_SNAKE_CASE of 3 to 63 characters")
        if kind.code not in CODES or kind.code in _NOT_FOR_DOMAINS:
            raise TypeError(f"{kind.__qualname__}.code: {kind.code!r} is not a canonical code for a refusal")
        other = known.setdefault(kind.reason, kind)
        if other is not kind:
            raise TypeError(
                f"{kind.__qualname__} and {other.__qualname__} have the same reason {kind.reason}"
            )


def code_of(error: BaseException, errors: ErrorSet) -> str:
    """The canonical code name of an exception; "INTERNAL" for one that nobody declared."""
    refusal = _declared(error, errors)
    return refusal.code if refusal else "INTERNAL"


def reason_of(error: BaseException, errors: ErrorSet) -> str:
    """The stable reason of an exception as callers see it; "INTERNAL" for one that nobody declared."""
    refusal = _declared(error, errors)
    return refusal.reason if refusal else "INTERNAL"


def _declared(error: BaseException, errors: ErrorSet) -> DomainError | None:
    """The exception where it is a refusal that may leave the service, else None."""
    if not isinstance(error, DomainError) or error.code == "INTERNAL":
        return None
    return error if isinstance(error, ChassisError) or type(error) in errors else None


def to_status(error: BaseException, service: str, errors: ErrorSet) -> status_pb2.Status:
    """Turn an exception into the answer's status.

    One ErrorInfo (reason, domain `diwan.<service>`, metadata) always; one BadRequest where fields are at
    fault. Of an exception that nobody declared nothing is shown. Texts are masked: they leave the platform.
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
