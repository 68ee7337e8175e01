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
    PartUnknown,
    ReceiptState,
    RecipientInvalid,
    SmsRequested,
    open_message,
)

NOW = datetime(2026, 3, 1, 9, tzinfo=UTC)
DELIVERED, UNDELIVERED, EXPIRED = ReceiptState


def opened(*, once: bool = True, expire_time: datetime | None = None) -> Outcome[Message, SmsRequested]:
    return open_message(
        "m-1",
        Contact("a-1", "+201012345678"),
        template="code.sign_in",
        request_number="",
        once=once,
        text="123456",
        expire_time=expire_time,
        now=NOW,
    )


def hear(message: Message, news: tuple[object, ...]) -> Message:
    kind, *rest = news
    match kind:
        case "submitted":
            return message.submitted(rest[0], NOW)
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
    ("news", "state"),
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
    ],
)
def test_the_strongest_news_makes_the_state(news: list[tuple[object, ...]], state: str) -> None:
    """Each row: what was heard, in order, and where the message then stands."""
    message = opened().state

    for item in news:
        message = hear(message, item)

    assert message.state is MessageState(state)
    assert message.steps[-1].state is message.state


def test_a_refusal_keeps_its_reason_until_the_message_is_taken_after_all() -> None:
    """The reason belongs to the refusal, not to a message that was submitted later."""
    message = opened().state

    refused = message.refused("ESME_RINVDSTADR", NOW)

    assert refused.reason == "ESME_RINVDSTADR"
    assert refused.submitted(["p1"], NOW).reason == ""


def test_a_receipt_for_a_part_not_known_is_refused() -> None:
    """It may have overtaken the news of the submission, and is tried again."""
    message = opened().state

    with pytest.raises(PartUnknown):
        message.receipted("p1", DELIVERED, NOW, NOW)


def test_opening_hands_the_text_over_and_keeps_neither_text_nor_number() -> None:
    """Neither stays in what is stored, nor shows in what a log would print."""
    outcome = opened(expire_time=NOW + timedelta(minutes=5))
    message, handovers = outcome.state, outcome.facts

    assert [(h.content.mobile, h.content.text, h.once) for h in handovers] == [
        ("+201012345678", "123456", True)
    ]
    assert "123456" not in repr(message) + repr(handovers)
    assert "+2010" not in repr(message) + repr(handovers)


def test_a_message_whose_time_has_passed_is_handed_to_nobody() -> None:
    """It is kept as expired, so that a person can see what became of it."""
    outcome = opened(expire_time=NOW)
    message, handovers = outcome.state, outcome.facts

    assert message.state is MessageState.EXPIRED
    assert handovers == ()


def test_parts_are_bounded() -> None:
    """A connector that goes wrong cannot fill the document."""
    message = opened().state

    message = message.submitted([f"p{n}" for n in range(MAX_PARTS + 10)], NOW)

    assert len(message.parts) == MAX_PARTS


NEWS = st.lists(
    st.sampled_from(
        [
            SUBMITTED,
            TWO_PARTS,
            ("refused",),
            ("unknown",),
            ("expired",),
            ("receipt", "p1", DELIVERED),
            ("receipt", "p2", UNDELIVERED),
        ]
    ),
    max_size=8,
)


@given(NEWS, st.randoms(use_true_random=False))
def test_the_order_of_news_does_not_matter(news: list[tuple[object, ...]], random: object) -> None:
    """Whatever order the broker brings them in, with early receipts tried again, the end is the same."""
    shuffled = list(news)
    random.shuffle(shuffled)  # type: ignore[attr-defined]  # hypothesis hands in a random.Random

    assert told(news).state is told(shuffled).state


@given(NEWS)
def test_news_heard_twice_changes_nothing(news: list[tuple[object, ...]]) -> None:
    """At least once is enough: the second hearing leaves the message as it was."""
    message = told(news)

    again = message
    for item in news:
        try:
            again = hear(again, item)
        except PartUnknown:
            continue

    assert again == message


@given(NEWS)
def test_the_steps_are_bounded_and_never_repeat_the_last_one(news: list[tuple[object, ...]]) -> None:
    """The history grows only when the state changes."""
    steps = [step.state for step in told(news).steps]

    assert all(before is not after for before, after in itertools.pairwise(steps))
    assert len(steps) <= 2 + len(news)


def told(news: list[tuple[object, ...]]) -> Message:
    """A message after hearing all news, early receipts put off to the end as the inbox does."""
    message = opened().state
    waiting: list[tuple[object, ...]] = []
    for item in news:
        try:
            message = hear(message, item)
        except PartUnknown:
            waiting.append(item)
    for item in waiting:
        try:
            message = hear(message, item)
        except PartUnknown:
            continue
    return message


def test_reasons_are_distinct_and_named() -> None:
    """Each refusal can be told from the others by its reason alone."""
    reasons = [error.reason for error in NotificationError.__subclasses__()]

    assert all(reasons)
    assert len(set(reasons)) == len(reasons)


@pytest.mark.parametrize(
    "mobile", ["", "01012345678", "+0101234567", "+20 1012345678", "+2010123456789012", "+20101a345678"]
)
def test_a_contact_is_a_number_that_can_be_written_to(mobile: str) -> None:
    """Anything else is refused without being repeated."""
    with pytest.raises(RecipientInvalid) as raised:
        Contact("a-1", mobile)

    assert not mobile or mobile not in str(raised.value)
