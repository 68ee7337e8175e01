"""The acquirer's callbacks: verification of the signature, then validation and parsing. No I/O here."""

import hashlib
import hmac
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from chassis.money import money
from google.type.money_pb2 import Money
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from payments.connectors.acquirer.reading import (
    Currency,
    Identifier,
    NotJson,
    Optional,
    Reason,
    Whole,
    Word,
    optional,
    read_json,
)

TIMESTAMP: Final = "acquirer-timestamp"
SIGNATURE: Final = "acquirer-signature"
CONTENT_MAX: Final = 200
_SIGNATURE: Final = re.compile(r"v1=([0-9a-f]{64})", re.IGNORECASE)
_AGREED: Final[Mapping[str, Any]] = {
    "type": None,
    "charge": {
        "id": None,
        "reference": None,
        "amount": {"currency": None, "minor_units": None},
        "state": None,
        "reason": None,
        "metadata": dict.fromkeys(("payment_id", "cause", "correlation", "requested_at")),
    },
}


class SignatureInvalid(Exception):
    """The signature is missing, wrong or too old; the text names the failed check."""


class Malformed(Exception):
    """The report cannot be read; the text has paths of fields, no values."""

    def __init__(self, fields: Sequence[str], report: "Unreadable") -> None:
        super().__init__(", ".join(fields))
        self.report = report


@dataclass(frozen=True)
class Unreadable:
    """A report that cannot be read, as evidence; the fields are those of the event `ReportUnreadable`."""

    charge_id: str
    payment_id: str
    fields: Sequence[str]
    content: str
    digest: str


class _Read(BaseModel):
    # Strict, and liberal only as the annotated types say: a bool is no number, 108.5 piastres are none either.
    model_config = ConfigDict(strict=True)


class _Amount(_Read):
    currency: Currency
    minor_units: Whole = Field(gt=0, le=10**12)


class _Metadata(_Read):
    payment_id: Identifier = Field(min_length=1, max_length=64)
    cause: Optional = ""
    correlation: Optional = ""
    traceparent: Optional = ""
    requested_at: Optional = ""


class _Charge(_Read):
    id: Identifier = Field(min_length=1, max_length=64)
    reference: Optional = ""
    amount: _Amount | None = None
    state: Word = Field(pattern="^(pending|settled|refused)$")
    reason: Reason = ""
    metadata: _Metadata

    @property
    def without_amount(self) -> bool:
        """Whether the amount is missing that a settlement must state; a refusal needs none."""
        return self.state == "settled" and self.amount is None


class _Body(_Read):
    type: Word = Field(pattern=r"^charge\.(settled|refused)$")
    charge: _Charge


@dataclass(frozen=True)
class Callback:
    """The decision about a charge. `reason` is upper case, and empty when it was settled; then the amount is stated."""

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
    timestamp = headers.get(TIMESTAMP, "").strip()
    given = _SIGNATURE.fullmatch(headers.get(SIGNATURE, "").strip())
    if not given or not (timestamp.isascii() and timestamp.isdecimal() and len(timestamp) <= 12):
        raise SignatureInvalid("missing")
    expected = hmac.new(key, timestamp.encode() + b"." + body, hashlib.sha256).hexdigest()
    if not hmac.compare_digest(expected, given.group(1).lower()):
        raise SignatureInvalid("signature")
    # Checked after the signature, so that only the acquirer can probe our clock.
    if abs(now_seconds - int(timestamp)) > window_seconds:
        raise SignatureInvalid("time")


def parse(body: bytes, content_type: str = "") -> Callback:
    """Parse the body of a verified callback; Malformed if it cannot be read."""
    received = _received(body, content_type)
    try:
        parsed = _Body.model_validate(received)
    except ValidationError as error:
        raise _malformed(_paths(error), body, received) from None
    if parsed.type != f"charge.{parsed.charge.state}":
        raise _malformed(["type"], body, received)
    if parsed.charge.without_amount:
        raise _malformed(["charge.amount"], body, received)
    return _callback_of(parsed.charge)


def parse_charge(body: bytes, content_type: str = "") -> Callback | None:
    """Parse a charge of the API as its callback; None while it is not decided; Malformed as in `parse`."""
    received = _received(body, content_type)
    try:
        parsed = _Charge.model_validate(received)
    except ValidationError as error:
        raise _malformed(_paths(error), body, {"charge": received}) from None
    if parsed.without_amount:
        raise _malformed(["amount"], body, {"charge": received})
    return None if parsed.state == "pending" else _callback_of(parsed)


def _received(body: bytes, content_type: str) -> Any:
    try:
        return read_json(body, content_type)
    except NotJson:
        raise _malformed(["body"], body, None) from None


def _paths(error: ValidationError) -> list[str]:
    return [".".join(map(str, each["loc"])) or "body" for each in error.errors()[:10]]


def _malformed(fields: Sequence[str], body: bytes, received: object) -> Malformed:
    known = _agreed(received, _AGREED)
    charge = known.get("charge", {}) if isinstance(known, dict) else {}
    charge = charge if isinstance(charge, dict) else {}
    metadata = charge.get("metadata", {})
    payment_id = metadata.get("payment_id") if isinstance(metadata, dict) else ""
    return Malformed(
        fields,
        Unreadable(
            charge_id=optional(charge.get("id")),
            payment_id=optional(payment_id),
            fields=fields,
            content=json.dumps(known, ensure_ascii=False) if known else "",
            digest=hashlib.sha256(body).hexdigest(),
        ),
    )


def _agreed(value: object, form: Mapping[str, Any] | None) -> Any:
    """The agreed fields of a value, each scalar as a text of at most 200 characters."""
    if form is not None and isinstance(value, dict):
        return {name: _agreed(value[name], part) for name, part in form.items() if name in value}
    return "".join(each if each.isprintable() else "?" for each in str(value)[:CONTENT_MAX]) if value else ""


def _callback_of(charge: _Charge) -> Callback:
    # The acquirer's currency is passed on: payments refuses a foreign one, and an operator sees it.
    amount = money(charge.amount.minor_units if charge.amount else 0)
    amount.currency_code = charge.amount.currency if charge.amount else ""
    return Callback(
        charge_id=charge.id,
        payment_id=charge.metadata.payment_id,
        reference=charge.reference,
        settled=charge.state == "settled",
        reason="" if charge.state == "settled" else charge.reason or "DECLINED",
        amount=amount,
        cause=charge.metadata.cause,
        correlation=charge.metadata.correlation,
        traceparent=charge.metadata.traceparent,
        requested_at=charge.metadata.requested_at,
    )
