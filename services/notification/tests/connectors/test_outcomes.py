"""The SMS connector's outcomes for each answer and fault of an SMSC, which is a fake of this test."""

from collections.abc import Callable
from typing import Any

import pytest
from chassis.connector import Delivery, Done, Outcome, Park, Refused, Retry, Unknown
from chassis.messaging.inbound import InboundEvent
from diwan.notification.v1 import sms_pb2
from google.protobuf import json_format
from notification.connectors.sms.connector import PERHAPS_SENT, SmsConnector
from notification.connectors.sms.session import AnswerUnknown, NotSent, Session, Submitted

ARABIC = "تم إصدار التوكيل رقم ١٢٣٤، ويمكنكم استلامه من مكتب توثيق الدقي. " * 2
THROTTLED = Submitted(0x58, "")


class Smsc:
    """Returns or raises its answers one by one."""

    def __init__(self, *answers: Submitted | Exception) -> None:
        self.answers = list(answers)
        self.submitted = 0
        self.data: list[bytes] = []

    def submit(self, **fields: Any) -> Submitted:
        self.data.append(fields["short_message"])
        answer = self.answers[self.submitted]
        self.submitted += 1
        if isinstance(answer, Exception):
            raise answer
        return answer


class Context:
    """Settings and receiver; the receiver may raise a fault."""

    smsc_sender, parts_max, smsc_answer_id = "DIWAN", 10, "exact"

    def __init__(self, fault: Exception | None = None) -> None:
        self.settings = self.receiver = self
        self._fault = fault

    def submitted(self, *_arguments: str) -> None:
        if self._fault is not None:
            raise self._fault


def submit(smsc: Smsc, *, once: bool = False, progress: str = "", **options: Any) -> Outcome:
    """Return the outcome of one delivery."""
    connector = SmsConnector()
    connector.smsc, connector.context = smsc, options.pop("context", Context())  # type: ignore[assignment]
    content = sms_pb2.SmsContent(mobile="+201012345678", text=ARABIC, reference=options.pop("reference", 300))
    message = sms_pb2.SubmitSms(
        message_id="m",
        once=once,
        content=json_format.MessageToJson(content),
        expire_time=options.pop("expire_time", ""),
    )
    inbound = InboundEvent(
        queue="sms.notification.message", exchange="notification.commands", id="e", subject="s"
    )
    outcomes: list[Outcome] = []

    def process(handler: Callable[[Delivery[sms_pb2.SubmitSms]], Outcome]) -> None:
        outcomes.append(handler(Delivery(message, inbound, progress=progress, **options)))

    connector.submit(process)
    return outcomes[0]


def events_after_last_attempt(outcome: Outcome) -> list[str]:
    """Return the types of the events that are published if this was the last attempt."""
    assert isinstance(outcome, Retry)
    return [type(event.message).__name__ for event in outcome.giving_up]


@pytest.mark.parametrize("fault", [AnswerUnknown(), RuntimeError("bug")])
def test_code_is_unknown_after_any_fault_of_a_submit(fault: Exception) -> None:
    """A code that may have been sent is reported as unknown."""
    assert isinstance(submit(Smsc(fault), once=True), Unknown)


def test_code_is_unknown_after_our_own_failure_following_its_submit() -> None:
    """After the operator accepted a code, a failure of the connector does not send it again."""
    outcome = submit(Smsc(Submitted(0, "1")), once=True, context=Context(RuntimeError("bug")))

    assert isinstance(outcome, Unknown)


def test_text_keeps_its_submitted_parts_after_our_own_failure() -> None:
    """A failure at the second part does not send the first part again."""
    outcome = submit(Smsc(Submitted(0, "1"), RuntimeError("bug")))

    assert isinstance(outcome, Retry)
    assert (outcome.reason, outcome.progress) == ("RuntimeError", f"{PERHAPS_SENT} 1")


def test_last_attempt_of_an_unsent_text_is_a_refusal() -> None:
    """The text is reported as refused when no attempt can have sent it."""
    assert events_after_last_attempt(submit(Smsc(NotSent()))) == ["SmsRefused"]
    assert events_after_last_attempt(submit(Smsc(THROTTLED))) == ["SmsRefused"]


def test_last_attempt_of_a_possibly_sent_text_is_unknown() -> None:
    """One attempt with an unknown answer is enough, whatever the outcome of the last one."""
    first = submit(Smsc(AnswerUnknown()))
    assert isinstance(first, Retry)
    second = submit(Smsc(THROTTLED), progress=first.progress)
    assert isinstance(second, Retry)
    third = submit(Smsc(NotSent()), progress=second.progress)

    assert [events_after_last_attempt(each) for each in (first, second, third)] == [["SmsUnknown"]] * 3


@pytest.mark.parametrize("once", [False, True])
@pytest.mark.parametrize(
    ("earlier", "kind"),
    [
        ({}, sms_pb2.SmsExpired),
        ({"uncertain": True}, sms_pb2.SmsUnknown),
        ({"progress": PERHAPS_SENT}, sms_pb2.SmsUnknown),
    ],
)
def test_an_expired_text_that_may_have_been_sent_is_unknown(
    earlier: dict[str, Any], kind: type, once: bool
) -> None:
    """A receipt of the earlier attempt may still arrive."""
    outcome = submit(smsc := Smsc(), once=once, expire_time="2026-01-01T00:00:00Z", **earlier)

    assert isinstance(outcome, Refused | Unknown)
    assert [type(event.message) for event in outcome.events] == [kind]
    assert smsc.submitted == 0


def test_last_attempt_after_a_crash_is_unknown() -> None:
    """A process that crashed may have sent the text."""
    assert events_after_last_attempt(submit(Smsc(THROTTLED), uncertain=True)) == ["SmsUnknown"]


def test_the_mark_of_a_possible_submit_is_not_a_part() -> None:
    """A possibly sent text continues with its next part, and its event lists only its parts."""
    smsc = Smsc(Submitted(0, "2"))

    outcome = submit(smsc, progress=f"{PERHAPS_SENT} 1")

    assert isinstance(outcome, Done)
    (event,) = outcome.events
    assert isinstance(event.message, sms_pb2.SmsSubmitted)
    assert list(event.message.part_ids) == ["1", "2"]
    assert smsc.submitted == 1


@pytest.mark.parametrize("part_id", ["", "7 F", "50%", "%", "é~", PERHAPS_SENT + " 1"])
def test_a_part_is_submitted_once_whatever_its_id(part_id: str) -> None:
    """The next attempt continues after it, also if the operator gave it no id."""
    first = submit(Smsc(Submitted(0, part_id), THROTTLED))
    assert isinstance(first, Retry)
    smsc = Smsc(Submitted(0, "2"))

    outcome = submit(smsc, progress=first.progress)

    assert smsc.submitted == 1
    assert isinstance(outcome, Done)
    (event,) = outcome.events
    assert isinstance(event.message, sms_pb2.SmsSubmitted)
    assert list(event.message.part_ids) == [each for each in (part_id, "2") if each]
    assert event.message.parts_unknown == (part_id == "")


def test_text_after_a_lost_answer_may_have_further_parts() -> None:
    """Their ids are known from their receipts only."""
    first, later = Smsc(Submitted(0, "1"), Submitted(0, "2")), Smsc(Submitted(0, "2"))

    whole, resumed = submit(first), submit(later, progress=f"{PERHAPS_SENT} 1")

    assert isinstance(whole, Done)
    assert isinstance(resumed, Done)
    assert [one.events[0].message.parts_unknown for one in (whole, resumed)] == [False, True]  # type: ignore[attr-defined]


def test_text_of_several_parts_without_a_reference_waits_for_an_operator() -> None:
    """The connector invents none: another text under way might have it."""
    smsc = Smsc()

    assert submit(smsc, reference=None) == Park("REFERENCE_MISSING")
    assert smsc.submitted == 0


def test_parts_of_every_attempt_have_the_reference_of_the_command() -> None:
    """A phone joins the parts of a resubmission with those that it has."""
    smsc = Smsc(Submitted(0, "1"), Submitted(0, "2"))

    submit(smsc, reference=0xABCD)
    submit(smsc_again := Smsc(Submitted(0, "2")), reference=0xABCD, progress=f"{PERHAPS_SENT} 1")

    assert [data[3:7] for data in smsc.data + smsc_again.data] == [
        b"\xab\xcd\x02\x01",
        b"\xab\xcd\x02\x02",
        b"\xab\xcd\x02\x02",
    ]


def test_sequence_numbers_start_again_after_the_largest() -> None:
    """SMPP sequence numbers are from 1 to 2^31 - 1."""
    session = Session(None, lambda _: True)
    session._sequence = 0x7FFFFFFE

    assert [session._next_sequence() for _ in range(3)] == [0x7FFFFFFF, 1, 2]
