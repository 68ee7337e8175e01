"""Dataclasses are converted to messages by field name; a difference between them is an error."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta, timezone
from enum import Enum

import pytest
from chassis import protojson
from chassis.mapping import fact_mapping, members, to_message
from chassis.money import MAX_PIASTRES, piastres
from chassis.times import to_datetime
from diwan.identity.v1 import events_pb2 as identity
from diwan.notification.v1 import sms_pb2
from diwan.payments.v1 import events_pb2, payments_pb2
from hypothesis import given
from hypothesis import strategies as st

NOW = datetime(2026, 3, 1, 9, 30, 15, 123456, tzinfo=UTC)


class State(Enum):
    DUE = "due"
    PROCESSING = "processing"
    SETTLED = "settled"


@dataclass(frozen=True)
class Payment:
    """A state with more fields than its message."""

    payment_id: str
    subject_id: str
    state: State
    fee: int
    due_time: datetime
    settle_time: datetime | None = None
    refusal_reason: str = ""
    secret: str = "never shown"

    @property
    def amount(self) -> int:
        return self.fee


@dataclass(frozen=True)
class Leg:
    account: str
    amount: int


@dataclass(frozen=True)
class Entry:
    entry_id: str
    kind: str
    payment_id: str
    book_time: datetime
    legs: tuple[Leg, ...]


@dataclass(frozen=True)
class Due:
    payment_id: str
    subject_id: str
    account_id: str
    fee: int


@dataclass(frozen=True)
class SmsContent:
    mobile: str
    text: str
    reference: int | None = None


@dataclass(frozen=True)
class MessageContent:
    mobile: str
    values: Mapping[str, str]


@dataclass(frozen=True)
class Handover:
    message_id: str
    content: object
    once: bool = False
    expire_time: datetime | None = None


PAYMENT = Payment("p-1", "s-1", State.DUE, 12_000, NOW)
HANDOVER = Handover("m-1", SmsContent("+201012345678", "نص"))

texts = st.text(max_size=20)
amounts = st.integers(-MAX_PIASTRES, MAX_PIASTRES)
times = st.datetimes(timezones=st.just(UTC))


def to_payment(payment: Payment, **given: object) -> payments_pb2.Payment:
    return to_message(payment, payments_pb2.Payment, **{"means": None, "discount": 0, **given})


def milliseconds(time: datetime) -> datetime:
    return time.replace(microsecond=time.microsecond // 1000 * 1000)


@given(st.builds(Payment, texts, texts, st.sampled_from(State), amounts, times, st.none() | times, texts))
def test_a_state_is_converted_field_by_field(payment):
    """Text, enum, money and times are equal, times to the millisecond; None is absent."""
    message = to_payment(payment)

    assert (message.payment_id, message.subject_id) == (payment.payment_id, payment.subject_id)
    assert payments_pb2.PaymentState.Name(message.state) == f"PAYMENT_STATE_{payment.state.name}"
    assert piastres(message.fee, "fee") == piastres(message.amount, "amount") == payment.fee
    assert to_datetime(message.due_time) == milliseconds(payment.due_time)
    assert message.HasField("settle_time") == (payment.settle_time is not None)
    assert message.refusal_reason == payment.refusal_reason


@given(st.builds(Entry, texts, texts, texts, times, st.lists(st.builds(Leg, texts, amounts)).map(tuple)))
def test_nested_dataclasses_are_nested_messages(entry):
    """A tuple becomes a repeated field in the same order."""
    message = to_message(entry, payments_pb2.LedgerEntry)

    assert [Leg(leg.account, piastres(leg.amount, "amount")) for leg in message.legs] == list(entry.legs)


def test_an_amount_of_zero_is_present():
    """Only None is absent."""
    assert to_payment(PAYMENT).HasField("discount")
    assert not to_payment(PAYMENT, discount=None).HasField("discount")


def test_attributes_without_a_field_are_left_out():
    """A state has more fields than its message."""
    assert "never shown" not in str(to_payment(PAYMENT))


def test_an_argument_replaces_the_attribute():
    """None leaves the field out."""
    assert to_payment(PAYMENT, payment_id="other").payment_id == "other"
    assert to_payment(PAYMENT, payment_id=None).payment_id == ""


def test_a_message_is_used_unchanged():
    """An attribute may be a message already."""
    leg = payments_pb2.LedgerLeg(account="platform")

    assert to_message(replace(ENTRY, legs=(leg,)), payments_pb2.LedgerEntry).legs[0] == leg


ENTRY = Entry("e-1", "due", "p-1", NOW, ())


@pytest.mark.parametrize(
    ("make", "complaint"),
    [
        (lambda: to_message(PAYMENT, payments_pb2.Payment), "Payment has no discount for Payment"),
        (lambda: to_payment(PAYMENT, other=1), "has no field other"),
        (lambda: to_payment(replace(PAYMENT, state="due")), "a str is no value"),
        (lambda: to_payment(replace(PAYMENT, state=Enum("State", "LOST").LOST)), "none of this name"),
        (lambda: to_payment(replace(PAYMENT, payment_id=7)), "bad argument type"),
        (lambda: to_payment(PAYMENT, payment_id=Leg("a", 1)), "is not sealed"),
        (
            lambda: to_message(replace(HANDOVER, content=Leg("a", 1)), sms_pb2.SubmitSms),
            "its file has no Leg",
        ),
    ],
    ids=["missing", "unknown", "no enum", "no member", "no text", "not sealed", "no plaintext"],
)
def test_a_difference_is_a_type_error(make, complaint):
    """Such an error appears in the first test of a program."""
    with pytest.raises(TypeError, match=complaint):
        make()


def test_a_time_without_a_zone_is_refused():
    """It is ambiguous."""
    with pytest.raises(ValueError, match="zone"):
        to_payment(replace(PAYMENT, due_time=NOW.replace(tzinfo=None)))


def test_a_time_in_a_text_field_is_rfc_3339_in_utc():
    """Commands have their expiry time as text."""
    cairo = NOW.astimezone(timezone(timedelta(hours=2)))

    message = to_message(replace(HANDOVER, expire_time=cairo), sms_pb2.SubmitSms)

    assert message.expire_time == "2026-03-01T09:30:15.123456Z"
    assert to_message(HANDOVER, sms_pb2.SubmitSms).expire_time == ""


@given(texts, st.dictionaries(texts, texts))
def test_a_sealed_field_has_the_message_with_the_name_of_the_dataclass(mobile, values):
    """The message is proto-JSON, which the event encoder seals; a Mapping becomes a map."""
    source = identity.SendMessage(template="code.sign_in")

    class Fact:
        account_id, template, expire_time = "", source.template, NOW
        content = MessageContent(mobile, values)

    message = to_message(Fact(), identity.SendMessage)

    assert protojson.loads(message.content, identity.MessageContent) == identity.MessageContent(
        mobile=mobile, values=values
    )


def test_facts_are_converted_in_order():
    """A fact without a message in the mapping is an error."""
    messages = fact_mapping({Due: events_pb2.PaymentDue, Handover: sms_pb2.SubmitSms})

    due, handover = messages([Due("p", "s", "a", 5), HANDOVER])

    assert (due.DESCRIPTOR.name, handover.DESCRIPTOR.name) == ("PaymentDue", "SubmitSms")
    with pytest.raises(KeyError):
        messages([PAYMENT])


@pytest.mark.parametrize(
    ("fact", "message", "field"),
    [
        (Payment, events_pb2.PaymentDue, "secret"),
        (Due, events_pb2.PaymentOverpaid, "charge_id"),
        (Due, events_pb2.PaymentOverpaid, "fee"),
    ],
    ids=["lost", "left empty", "other name"],
)
def test_a_fact_and_its_message_have_the_same_fields(fact, message, field):
    """A mapping that loses a field, or leaves one empty, is refused at import."""
    with pytest.raises(TypeError, match=field):
        fact_mapping({fact: message})


def test_a_plaintext_and_its_dataclass_have_the_same_fields():
    """A missing field would not be noticed once it is sealed."""

    @dataclass(frozen=True)
    class Wrong:
        mobile: str

    Wrong.__name__ = "SmsContent"

    with pytest.raises(TypeError, match="text"):
        to_message(replace(HANDOVER, content=Wrong("+201012345678")), sms_pb2.SubmitSms)


def test_members_returns_the_members_of_an_enum_by_number():
    """The unspecified value is left out; other names are refused at import."""
    assert members(State, payments_pb2.PaymentState) == {1: State.DUE, 2: State.PROCESSING, 3: State.SETTLED}
    with pytest.raises(TypeError, match="different members"):
        members(State, payments_pb2.PaymentMeans)
