"""The acquirer's callbacks: verification of the signature, then validation and parsing. No I/O here."""

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


class SignatureInvalid(Exception):
    """The signature is missing, wrong or too old; the text names the failed check."""


class Malformed(Exception):
    """The body has not the agreed form; the text has paths of fields, no values."""


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
    """The decision about a charge. `reason` is upper case, and empty when it was settled."""

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
    """Check the signature `HMAC-SHA256(key, timestamp "." body)` and the age of its timestamp.

    Args:
        key: shared with the acquirer.
        headers: by lower-case name.
        body: as received.
        now_seconds: since 1970.
        window_seconds: largest difference between timestamp and now.

    Raises:
        SignatureInvalid: "missing", "signature" or "time".
    """
    timestamp = headers.get(TIMESTAMP, "")
    given = _SIGNATURE.fullmatch(headers.get(SIGNATURE, ""))
    if not given or not (timestamp.isascii() and timestamp.isdecimal() and len(timestamp) <= 12):
        raise SignatureInvalid("missing")
    expected = hmac.new(key, timestamp.encode() + b"." + body, hashlib.sha256).hexdigest()
    if not hmac.compare_digest(expected, given.group(1)):
        raise SignatureInvalid("signature")
    # Checked after the signature, so that only the acquirer can probe our clock.
    if abs(now_seconds - int(timestamp)) > window_seconds:
        raise SignatureInvalid("time")


def parse(body: bytes) -> Callback:
    """Parse the body of a verified callback; Malformed if it has not the agreed form."""
    try:
        parsed = _Body.model_validate_json(body)
    except ValidationError as error:
        raise Malformed(_paths(error)) from None
    if parsed.type != f"charge.{parsed.charge.state}":
        raise Malformed("type")
    return _callback_of(parsed.charge)


def parse_charge(charge: object) -> Callback | None:
    """Parse a charge of the API as its callback; None while it is not decided; Malformed as in `parse`."""
    try:
        parsed = _Charge.model_validate(charge)
    except ValidationError as error:
        raise Malformed(_paths(error)) from None
    return None if parsed.state == "pending" else _callback_of(parsed)


def _paths(error: ValidationError) -> str:
    return ", ".join(".".join(map(str, each["loc"])) for each in error.errors()[:10])


def _callback_of(charge: _Charge) -> Callback:
    # The acquirer's currency is passed on: payments refuses a foreign one, and an operator sees it.
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
