"""The model's facts as the messages that notification publishes: one table."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from chassis import protojson
from chassis.messaging import headers
from diwan.notification.v1 import sms_pb2 as sms
from google.protobuf.message import Message

from notification import model


def _handover(fact: model.Handover) -> Message:
    content = sms.SmsContent(mobile=fact.mobile, text=fact.text)
    return sms.SubmitSms(
        message_id=fact.message_id,
        expire_time=headers.format_time(fact.expire_time) if fact.expire_time else "",
        once=fact.once,
        # Sealed for the connector, as its proto says, on its way into the outbox.
        content=protojson.dumps(content),
    )


MESSAGES: Mapping[type, Callable[[Any], Message]] = {
    model.Handover: _handover,
}


def messages(stated: Iterable[model.Handover]) -> tuple[Message, ...]:
    """The messages of some facts, in their order."""
    return tuple(MESSAGES[type(fact)](fact) for fact in stated)
