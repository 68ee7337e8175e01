"""What the SMS connector makes of answers and faults, said by an SMSC of this test's own."""

from collections.abc import Callable
from typing import Any

import pytest
from chassis.connector import Delivery, Done, Outcome, Retry, Unknown
from chassis.messaging.inbound import InboundEvent
from diwan.notification.v1 import sms_pb2
from google.protobuf import json_format
from notification.connectors.sms.connector import PERHAPS_SENT, SmsConnector
from notification.connectors.sms.session import AnswerUnknown, NotSent, Session, Submitted

ARABIC = "تم إصدار التوكيل رقم ١٢٣٤، ويمكنكم استلامه من مكتب توثيق الدقي. " * 2
THROTTLED = Submitted(0x58, "")


class Smsc:
    """Gives its answers one by one, or raises them."""

    def __init__(self, *answers: Submitted | Exception) -> None:
        self.answers = list(answers)
        self.submitted = 0

    def submit(self, **_fields: Any) -> Submitted:
        answer = self.answers[self.submitted]
        self.submitted += 1
        if isinstance(answer, Exception):
            raise answer
        return answer


class Context:
    """Settings and receiver; the receiver may be broken."""

    smsc_sender, parts_max = "DIWAN", 10

    def __init__(self, fault: Exception | None = None) -> None:
        self.settings = self.receiver = self
        self._fault = fault

    def submitted(self, *_told: str) -> None:
        if self._fault is not None:
            raise self._fault


def submit(smsc: Smsc, *, once: bool = False, progress: str = "", **told: Any) -> Outcome:
    """What comes of one delivery."""
    connector = SmsConnector()
    connector.smsc, connector.context = smsc, told.pop("context", Context())  # type: ignore[assignment]
    content = sms_pb2.SmsContent(mobile="+201012345678", text=ARABIC)
    message = sms_pb2.SubmitSms(message_id="m", once=once, content=json_format.MessageToJson(content))
    inbound = InboundEvent(
        queue="sms.notification.message", exchange="notification.commands", id="e", subject="s"
    )
    made: list[Outcome] = []

    def process(handler: Callable[[Delivery[sms_pb2.SubmitSms]], Outcome]) -> None:
        made.append(handler(Delivery(message, inbound, progress=progress, **told)))

    connector.submit(process)
    return made[0]


def gave_up(outcome: Outcome) -> list[str]:
    """The kinds of events that are published if this was the last try."""
    assert isinstance(outcome, Retry)
    return [type(event.message).__name__ for event in outcome.giving_up]


@pytest.mark.parametrize("fault", [AnswerUnknown(), RuntimeError("bug")])
def test_code_is_unknown_after_any_fault_of_a_submit(fault: Exception) -> None:
    """A code that may have been sent is told as unknown, whatever went wrong."""
    assert isinstance(submit(Smsc(fault), once=True), Unknown)


def test_code_is_unknown_when_we_fail_after_its_submit() -> None:
    """A fault of ours after the operator has taken a code does not send it again."""
    outcome = submit(Smsc(Submitted(0, "1")), once=True, context=Context(RuntimeError("bug")))

    assert isinstance(outcome, Unknown)


def test_text_keeps_the_parts_it_sent_when_we_fail() -> None:
    """A fault of ours in the second part does not send the first again."""
    outcome = submit(Smsc(Submitted(0, "1"), RuntimeError("bug")))

    assert isinstance(outcome, Retry)
    assert (outcome.reason, outcome.progress) == ("RuntimeError", f"{PERHAPS_SENT} 1")


def test_giving_up_what_was_never_sent_is_a_refusal() -> None:
    """When no try can have sent it, the service is told that it was refused."""
    assert gave_up(submit(Smsc(NotSent()))) == ["SmsRefused"]
    assert gave_up(submit(Smsc(THROTTLED))) == ["SmsRefused"]


def test_giving_up_what_may_have_been_sent_is_unknown() -> None:
    """Once the answer to any try is unknown, giving up says so, whatever the last try met."""
    first = submit(Smsc(AnswerUnknown()))
    assert isinstance(first, Retry)
    second = submit(Smsc(THROTTLED), progress=first.progress)
    assert isinstance(second, Retry)
    third = submit(Smsc(NotSent()), progress=second.progress)

    assert [gave_up(each) for each in (first, second, third)] == [["SmsUnknown"]] * 3


def test_giving_up_what_a_dead_process_began_is_unknown() -> None:
    """A process that died may have sent it."""
    assert gave_up(submit(Smsc(THROTTLED), uncertain=True)) == ["SmsUnknown"]


def test_doubt_does_not_count_as_a_part() -> None:
    """A text that is in doubt goes on where it was, and is told of by its parts alone."""
    smsc = Smsc(Submitted(0, "2"))

    outcome = submit(smsc, progress=f"{PERHAPS_SENT} 1")

    assert isinstance(outcome, Done)
    (event,) = outcome.events
    assert isinstance(event.message, sms_pb2.SmsSubmitted)
    assert list(event.message.part_ids) == ["1", "2"]
    assert smsc.submitted == 1


def test_numbers_of_a_session_begin_again_after_the_largest() -> None:
    """SMPP counts from 1 to 2^31 - 1; a session keeps none of the numbers it gave."""
    session = Session(None, lambda _: True)
    session._sequence = 0x7FFFFFFE

    assert [session._next_sequence() for _ in range(3)] == [0x7FFFFFFF, 1, 2]
