"""The acquirer's callbacks: signature first, then form, then what they say. No I/O here."""

import hashlib
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from chassis.money import money
from google.type.money_pb2 import Money
from pydantic import BaseModel, ConfigDict, Field, ValidationError

TIMESTAMP: Final = "acquirer-timestamp"
SIGNATURE: Final = "acquirer-signature"
_SIGNATURE: Final = re.compile(r"v1=([0-9a-f]{64})")


class Unsigned(Exception):
    """Not from the acquirer, or not from now; the text says which check failed."""


class Misshapen(Exception):
    """Signed, but not of the agreed form."""


class _Amount(BaseModel):
    model_config = ConfigDict(strict=True)
    currency: str = Field(pattern="^[A-Z]{3}$")
    minor_units: int = Field(gt=0, le=10**12)


class _Metadata(BaseModel):
    model_config = ConfigDict(strict=True)
    payment_id: str = Field(min_length=1, max_length=64)
    cause: str = Field(default="", max_length=64)
    correlation: str = Field(default="", max_length=64)
    traceparent: str = Field(default="", max_length=64)
    requested_at: str = Field(default="", max_length=32)


class _Charge(BaseModel):
    model_config = ConfigDict(strict=True)
    id: str = Field(min_length=1, max_length=64)
    reference: str = Field(max_length=64)
    amount: _Amount
    state: str = Field(pattern="^(pending|settled|refused)$")
    reason: str = Field(default="", max_length=64, pattern="^[A-Za-z0-9_]*$")
    metadata: _Metadata


class _Body(BaseModel):
    model_config = ConfigDict(strict=True)
    type: str = Field(pattern=r"^charge\.(settled|refused)$")
    charge: _Charge


@dataclass(frozen=True)
class Callback:
    """What a callback says of a charge. `reason` is upper case, and empty when it was settled."""

    charge_id: str
    payment_id: str
    reference: str
    settled: bool
    reason: str
    amount: Money
    cause: str
    correlation: str
    traceparent: str
    requested_at: str


def verify(
    key: bytes, headers: Mapping[str, str], body: bytes, now_seconds: float, window_seconds: float
) -> None:
    """Check `HMAC-SHA256(key, timestamp "." body)` and that it was made about now; Unsigned otherwise."""
    timestamp = headers.get(TIMESTAMP, "")
    given = _SIGNATURE.fullmatch(headers.get(SIGNATURE, ""))
    if not given or not (timestamp.isascii() and timestamp.isdecimal() and len(timestamp) <= 12):
        raise Unsigned("missing")
    wanted = hmac.new(key, timestamp.encode() + b"." + body, hashlib.sha256).hexdigest()
    if not hmac.compare_digest(wanted, given.group(1)):
        raise Unsigned("signature")
    # Only after the signature: who cannot sign learns nothing of our clock.
    if abs(now_seconds - int(timestamp)) > window_seconds:
        raise Unsigned("time")


def read(body: bytes) -> Callback:
    """Read a callback whose signature is right; Misshapen, with paths and no values, when its form is not."""
    try:
        said = _Body.model_validate_json(body)
    except ValidationError as error:
        raise Misshapen(_paths(error)) from None
    if said.type != f"charge.{said.charge.state}":
        raise Misshapen("type")
    return _told(said.charge)


def shown(charge: object) -> Callback | None:
    """What the API shows of a charge, as the callback for it says it; None while nothing is decided.

    Misshapen, with paths and no values, when its form is not the agreed one.
    """
    try:
        read_charge = _Charge.model_validate(charge)
    except ValidationError as error:
        raise Misshapen(_paths(error)) from None
    return None if read_charge.state == "pending" else _told(read_charge)


def _paths(error: ValidationError) -> str:
    return ", ".join(".".join(map(str, each["loc"])) for each in error.errors()[:10])


def _told(charge: _Charge) -> Callback:
    # In the acquirer's own currency: a foreign one is for payments to refuse, and for a person to see.
    amount = money(charge.amount.minor_units)
    amount.currency_code = charge.amount.currency
    return Callback(
        charge_id=charge.id,
        payment_id=charge.metadata.payment_id,
        reference=charge.reference,
        settled=charge.state == "settled",
        reason="" if charge.state == "settled" else (charge.reason or "declined").upper(),
        amount=amount,
        cause=charge.metadata.cause,
        correlation=charge.metadata.correlation,
        traceparent=charge.metadata.traceparent,
        requested_at=charge.metadata.requested_at,
    )
