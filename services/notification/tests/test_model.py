import itertools
from datetime import UTC, datetime, timedelta

import pytest
from chassis.domain import Outcome
from hypothesis import given
from hypothesis import strategies as st
from notification.model import (
    MAX_PARTS,
    Contact,
    Message,
    MessageState,
    NotificationError,
    ReceiptState,
    RecipientInvalid,
    SmsRequested,
    Text,
    open_message,
)

NOW = datetime(2026, 3, 1, 9, tzinfo=UTC)
DELIVERED, UNDELIVERED, EXPIRED = ReceiptState


def new_message(
    *, once: bool = True, expire_time: datetime | None = None, part_count: int = 1
) -> Outcome[Message, SmsRequested]:
    return open_message(
        "m-1",
        Contact("a-1", "+201012345678"),
        template="code.sign_in",
        request_number="",
        once=once,
        text=Text("123456", "keyed-hash", part_count, 7 if part_count > 1 else None),
        expire_time=expire_time,
        now=NOW,
    )


def apply(message: Message, event: tuple[object, ...]) -> Message:
    kind, *rest = event
    match kind:
        case "submitted":
            return message.submitted(rest[0], NOW, parts_unknown="uncertain" in rest)
        case "refused":
            return message.refused("ESME_RINVDSTADR", NOW)
        case "unknown":
            return message.lost(NOW)
        case "expired":
            return message.expired(NOW)
        case "receipt":
            return message.receipted(rest[0], rest[1], NOW, NOW)
    raise AssertionError(kind)


SUBMITTED = ("submitted", ("p1",))
TWO_PARTS = ("submitted", ("p1", "p2"))


@pytest.mark.parametrize(
    ("events", "state"),
    [
        ([], "pending"),
        ([SUBMITTED], "submitted"),
        ([("refused",)], "refused"),
        ([("unknown",)], "unknown"),
        ([("expired",)], "expired"),
        ([SUBMITTED, ("receipt", "p1", DELIVERED)], "delivered"),
        ([SUBMITTED, ("receipt", "p1", UNDELIVERED)], "undelivered"),
        ([SUBMITTED, ("receipt", "p1", EXPIRED)], "expired"),
        ([TWO_PARTS, ("receipt", "p1", DELIVERED)], "submitted"),
        ([TWO_PARTS, ("receipt", "p1", DELIVERED), ("receipt", "p2", DELIVERED)], "delivered"),
        ([TWO_PARTS, ("receipt", "p2", DELIVERED), ("receipt", "p1", UNDELIVERED)], "undelivered"),
        ([TWO_PARTS, ("receipt", "p1", EXPIRED), ("receipt", "p2", UNDELIVERED)], "undelivered"),
        ([("unknown",), SUBMITTED], "submitted"),
        ([("unknown",), SUBMITTED, ("receipt", "p1", DELIVERED)], "delivered"),
        ([SUBMITTED, ("unknown",)], "submitted"),
        ([SUBMITTED, ("refused",)], "submitted"),
        ([SUBMITTED, ("expired",)], "submitted"),
        ([("refused",), SUBMITTED], "submitted"),
        ([("expired",), SUBMITTED], "submitted"),
        ([("unknown",), ("expired",)], "unknown"),
        ([("expired",), ("unknown",)], "unknown"),
        ([("unknown",), ("refused",)], "refused"),
        ([("refused",), ("unknown",)], "refused"),
        ([SUBMITTED, ("receipt", "p1", DELIVERED), ("receipt", "p1", UNDELIVERED)], "delivered"),
        ([SUBMITTED, ("receipt", "p1", DELIVERED), ("submitted", ("p9",))], "submitted"),
        ([("receipt", "p1", DELIVERED)], "delivered"),
        ([("receipt", "p1", DELIVERED), SUBMITTED], "delivered"),
        ([("receipt", "p1", UNDELIVERED), SUBMITTED], "undelivered"),
        ([("receipt", "p1", DELIVERED), TWO_PARTS], "submitted"),
        ([("receipt", "p1", DELIVERED), ("unknown",)], "delivered"),
        ([("unknown",), ("receipt", "p1", DELIVERED)], "delivered"),
        ([("unknown",), ("receipt", "p1", EXPIRED)], "expired"),
        ([("unknown",), ("receipt", "p1", UNDELIVERED), ("unknown",)], "undelivered"),
        ([("unknown",), ("receipt", "p1", DELIVERED), ("receipt", "p1", DELIVERED)], "delivered"),
        ([SUBMITTED, ("receipt", "p1", UNDELIVERED), ("receipt", "p1", DELIVERED)], "delivered"),
        ([SUBMITTED, ("receipt", "p1", EXPIRED), ("receipt", "p1", UNDELIVERED)], "undelivered"),
        ([("unknown",), ("receipt", "p1", EXPIRED), ("receipt", "p1", DELIVERED)], "delivered"),
    ],
)
def test_the_strongest_event_determines_the_state(events: list[tuple[object, ...]], state: str) -> None:
    """Each row has the events in their order and the resulting state."""
    message = new_message().state

    for event in events:
        message = apply(message, event)

    assert message.state is MessageState(state)
    assert message.steps[-1].state is message.state


@pytest.mark.parametrize(
    ("events", "state"),
    [
        ([("receipt", "p1", DELIVERED)], "pending"),
        ([("receipt", "p1", DELIVERED), ("receipt", "p2", DELIVERED)], "delivered"),
        ([("receipt", "p1", DELIVERED), TWO_PARTS], "submitted"),
        ([("receipt", "p1", DELIVERED), TWO_PARTS, ("receipt", "p2", DELIVERED)], "delivered"),
        ([("unknown",), ("receipt", "p1", DELIVERED)], "unknown"),
        ([("unknown",), ("receipt", "p1", DELIVERED), ("receipt", "p2", DELIVERED)], "delivered"),
        ([("unknown",), ("receipt", "p1", UNDELIVERED)], "undelivered"),
        ([("refused",), ("receipt", "p1", DELIVERED)], "refused"),
        ([("expired",), ("receipt", "p1", DELIVERED)], "expired"),
        # An operator that gives both parts one id.
        ([("submitted", ("p1", "p1")), ("receipt", "p1", DELIVERED)], "delivered"),
    ],
)
def test_a_text_of_two_parts_is_delivered_with_both(events: list[tuple[object, ...]], state: str) -> None:
    """A receipt of one part says nothing of the other, which the connector may not have submitted."""
    message = new_message(part_count=2).state

    for event in events:
        message = apply(message, event)

    assert message.state is MessageState(state)


@pytest.mark.parametrize(
    ("events", "part_count", "expected"),
    [
        ([], 1, True),
        ([("unknown",)], 1, True),
        ([SUBMITTED], 1, False),
        ([("refused",)], 1, False),
        ([("expired",)], 1, False),
        ([("refused",)], 2, True),
        ([("unknown",), ("receipt", "p1", DELIVERED)], 1, False),
        ([("unknown",), ("receipt", "p1", DELIVERED)], 2, True),
        ([("submitted", ("p1",), "uncertain")], 1, True),
    ],
)
def test_a_message_without_a_complete_result_may_have_further_parts(
    events: list[tuple[object, ...]], part_count: int, expected: bool
) -> None:
    """A receipt of an unknown part can only belong to such a message."""
    message = new_message(part_count=part_count).state

    for event in events:
        message = apply(message, event)

    assert message.may_have_further_parts is expected


def test_contradicting_receipts_are_recognised() -> None:
    """A repeated receipt is no contradiction."""
    message = apply(apply(new_message().state, SUBMITTED), ("receipt", "p1", UNDELIVERED))

    assert message.contradicts("p1", DELIVERED)
    assert not message.contradicts("p1", UNDELIVERED)
    assert not message.contradicts("p2", DELIVERED)


def test_a_refusal_keeps_its_reason_until_a_later_submission() -> None:
    """The reason belongs to the refusal, not to the submitted message."""
    message = new_message().state

    refused = message.refused("ESME_RINVDSTADR", NOW)

    assert refused.reason == "ESME_RINVDSTADR"
    assert refused.submitted(["p1"], NOW).reason == ""


def test_a_receipt_before_the_submission_is_kept_as_a_part() -> None:
    """The submission adds the other parts, and does not lose the receipt."""
    message = (
        new_message(part_count=2).state.receipted("p2", DELIVERED, NOW, NOW).submitted(["p1", "p2"], NOW)
    )

    assert {part.part_id: part.receipt for part in message.parts} == {"p1": None, "p2": DELIVERED}


def test_receipts_without_a_submission_are_bounded() -> None:
    """Any number of receipts of unknown parts leaves the document bounded."""
    message = new_message().state

    for number in range(MAX_PARTS + 10):
        message = message.receipted(f"p{number}", DELIVERED, NOW, NOW)

    assert len(message.parts) == MAX_PARTS


def test_a_message_hands_its_text_over_and_keeps_neither_text_nor_number() -> None:
    """Neither is in the stored message, nor in the repr that a log would contain."""
    outcome = new_message(expire_time=NOW + timedelta(minutes=5))
    message, handovers = outcome.state, outcome.facts

    assert message.recipient == "keyed-hash"
    assert [(h.content.mobile, h.content.text, h.once) for h in handovers] == [
        ("+201012345678", "123456", True)
    ]
    assert "123456" not in repr(message) + repr(handovers)
    assert "+2010" not in repr(message) + repr(handovers)


def test_an_expired_message_is_not_handed_over() -> None:
    """It is kept in the state expired, visible to operators."""
    outcome = new_message(expire_time=NOW)
    message, handovers = outcome.state, outcome.facts

    assert message.state is MessageState.EXPIRED
    assert handovers == ()


def test_parts_are_bounded() -> None:
    """A faulty connector cannot fill the document."""
    message = new_message().state

    message = message.submitted([f"p{n}" for n in range(MAX_PARTS + 10)], NOW)

    assert len(message.parts) == MAX_PARTS


EVENTS = st.lists(
    st.sampled_from(
        [
            SUBMITTED,
            TWO_PARTS,
            ("refused",),
            ("unknown",),
            ("expired",),
            ("receipt", "p1", DELIVERED),
            ("receipt", "p1", EXPIRED),
            ("receipt", "p2", UNDELIVERED),
            ("receipt", "p2", DELIVERED),
        ]
    ),
    max_size=8,
)


@given(EVENTS, st.randoms(use_true_random=False))
def test_the_order_of_events_does_not_matter(events: list[tuple[object, ...]], random: object) -> None:
    """The final state is the same for every order."""
    shuffled = list(events)
    random.shuffle(shuffled)  # type: ignore[attr-defined]  # hypothesis passes a random.Random

    assert apply_all(events).state is apply_all(shuffled).state


@given(EVENTS)
def test_repeated_events_change_nothing(events: list[tuple[object, ...]]) -> None:
    """Delivery is at least once: a second delivery leaves the message as it was."""
    message = apply_all(events)

    again = message
    for event in events:
        again = apply(again, event)

    assert again == message


@given(EVENTS)
def test_the_steps_are_bounded_and_never_repeat(events: list[tuple[object, ...]]) -> None:
    """The history grows only when the state changes."""
    steps = [step.state for step in apply_all(events).steps]

    assert all(before is not after for before, after in itertools.pairwise(steps))
    assert len(steps) <= 2 + len(events)


def apply_all(events: list[tuple[object, ...]]) -> Message:
    """Return a message after all events."""
    message = new_message().state
    for event in events:
        message = apply(message, event)
    return message


def test_reasons_are_distinct_and_named() -> None:
    """Each refusal is identified by its reason alone."""
    reasons = [error.reason for error in NotificationError.__subclasses__()]

    assert all(reasons)
    assert len(set(reasons)) == len(reasons)


@pytest.mark.parametrize(
    "mobile", ["", "01012345678", "+0101234567", "+20 1012345678", "+2010123456789012", "+20101a345678"]
)
def test_a_contact_with_an_invalid_number_is_refused(mobile: str) -> None:
    """The error does not repeat the number."""
    with pytest.raises(RecipientInvalid) as raised:
        Contact("a-1", mobile)

    assert not mobile or mobile not in str(raised.value)
