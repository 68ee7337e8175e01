"""Dataclasses become messages: by name, by the descriptor's types, and not at all where they do not fit."""

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
    """A state with more than is shown."""

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


def shown(payment: Payment, **given: object) -> payments_pb2.Payment:
    return to_message(payment, payments_pb2.Payment, **{"means": None, "discount": 0, **given})


def milliseconds(time: datetime) -> datetime:
    return time.replace(microsecond=time.microsecond // 1000 * 1000)


@given(st.builds(Payment, texts, texts, st.sampled_from(State), amounts, times, st.none() | times, texts))
def test_a_state_is_shown_field_by_field(payment):
    """Text, enum, money and times arrive as they were, to the millisecond; None is absent."""
    message = shown(payment)

    assert (message.payment_id, message.subject_id) == (payment.payment_id, payment.subject_id)
    assert payments_pb2.PaymentState.Name(message.state) == f"PAYMENT_STATE_{payment.state.name}"
    assert piastres(message.fee, "fee") == piastres(message.amount, "amount") == payment.fee
    assert to_datetime(message.due_time) == milliseconds(payment.due_time)
    assert message.HasField("settle_time") == (payment.settle_time is not None)
    assert message.refusal_reason == payment.refusal_reason


@given(st.builds(Entry, texts, texts, texts, times, st.lists(st.builds(Leg, texts, amounts)).map(tuple)))
def test_nested_dataclasses_are_nested_messages(entry):
    """A tuple is repeated, in its order."""
    message = to_message(entry, payments_pb2.LedgerEntry)

    assert [Leg(leg.account, piastres(leg.amount, "amount")) for leg in message.legs] == list(entry.legs)


def test_an_amount_of_nothing_is_present():
    """Zero piastres are an amount; only None is none."""
    assert shown(PAYMENT).HasField("discount")
    assert not shown(PAYMENT, discount=None).HasField("discount")


def test_what_the_message_lacks_is_not_shown():
    """A state has more than a caller sees."""
    assert "never shown" not in str(shown(PAYMENT))


def test_a_given_value_counts_more_than_the_attribute():
    """Even None, which leaves the field out."""
    assert shown(PAYMENT, payment_id="other").payment_id == "other"
    assert shown(PAYMENT, payment_id=None).payment_id == ""


def test_a_ready_message_is_taken_as_it_is():
    """Where a field is made elsewhere."""
    leg = payments_pb2.LedgerLeg(account="platform")

    assert to_message(replace(ENTRY, legs=(leg,)), payments_pb2.LedgerEntry).legs[0] == leg


ENTRY = Entry("e-1", "due", "p-1", NOW, ())


@pytest.mark.parametrize(
    ("make", "complaint"),
    [
        (lambda: to_message(PAYMENT, payments_pb2.Payment), "Payment has no discount for Payment"),
        (lambda: shown(PAYMENT, other=1), "has no field other"),
        (lambda: shown(replace(PAYMENT, state="due")), "a str is no value"),
        (lambda: shown(replace(PAYMENT, state=Enum("State", "LOST").LOST)), "none of this name"),
        (lambda: shown(replace(PAYMENT, payment_id=7)), "bad argument type"),
        (lambda: shown(PAYMENT, payment_id=Leg("a", 1)), "is not sealed"),
        (
            lambda: to_message(replace(HANDOVER, content=Leg("a", 1)), sms_pb2.SubmitSms),
            "its file has no Leg",
        ),
    ],
    ids=["missing", "unknown", "no enum", "no member", "no text", "not sealed", "no plaintext"],
)
def test_what_does_not_fit_is_a_type_error(make, complaint):
    """A mistake in a program shows at the first message, in its tests."""
    with pytest.raises(TypeError, match=complaint):
        make()


def test_a_time_without_a_zone_is_refused():
    """Nobody can tell which moment it is."""
    with pytest.raises(ValueError, match="zone"):
        shown(replace(PAYMENT, due_time=NOW.replace(tzinfo=None)))


def test_a_time_in_a_text_is_rfc_3339_in_utc():
    """Commands state their end as text."""
    cairo = NOW.astimezone(timezone(timedelta(hours=2)))

    message = to_message(replace(HANDOVER, expire_time=cairo), sms_pb2.SubmitSms)

    assert message.expire_time == "2026-03-01T09:30:15.123456Z"
    assert to_message(HANDOVER, sms_pb2.SubmitSms).expire_time == ""


@given(texts, st.dictionaries(texts, texts))
def test_a_sealed_field_holds_the_message_of_the_dataclasss_name(mobile, values):
    """As proto-JSON, and a Mapping as map; the outbox seals it."""
    source = identity.SendMessage(template="code.sign_in")

    class Fact:
        account_id, template, expire_time = "", source.template, NOW
        content = MessageContent(mobile, values)

    message = to_message(Fact(), identity.SendMessage)

    assert protojson.loads(message.content, identity.MessageContent) == identity.MessageContent(
        mobile=mobile, values=values
    )


def test_facts_become_their_messages_in_order():
    """One table, one function."""
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
    ids=["lost on the way", "left empty", "of another name"],
)
def test_a_fact_and_its_message_have_the_same_fields(fact, message, field):
    """A table that loses a field, or leaves one empty, does not load."""
    with pytest.raises(TypeError, match=field):
        fact_mapping({fact: message})


def test_a_plaintext_has_the_same_fields_too():
    """What is sealed cannot be seen to be missing."""

    @dataclass(frozen=True)
    class Wrong:
        mobile: str

    Wrong.__name__ = "SmsContent"

    with pytest.raises(TypeError, match="text"):
        to_message(replace(HANDOVER, content=Wrong("+201012345678")), sms_pb2.SubmitSms)


def test_the_members_of_an_enum_by_the_protos_numbers():
    """All but the unspecified one; other names are refused at import."""
    assert members(State, payments_pb2.PaymentState) == {1: State.DUE, 2: State.PROCESSING, 3: State.SETTLED}
    with pytest.raises(TypeError, match="different members"):
        members(State, payments_pb2.PaymentMeans)
