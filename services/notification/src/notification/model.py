"""The rules of messages: what is known of a message when its news comes more than once and in any order.

A message's state is therefore not the last word heard but the strongest: that the operator took it beats every
guess, and receipts beat that.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import Enum

from chassis.domain import DomainError, Outcome

MOST_PARTS = 40
"""Parts of which receipts are kept; an SMS of 2,600 Arabic characters, far more than a template gives."""

MOBILE = re.compile(r"\+[1-9][0-9]{7,14}")
"""E.164. Whether a number is one of Egypt's is identity's to say: contacts come from there."""


class NotificationError(DomainError):
    """Base of the refusals of notification."""


class MessageNotFound(NotificationError):
    """There is no such message, or it is not the caller's to see."""

    reason = "MESSAGE_NOT_FOUND"
    code = "NOT_FOUND"


class TemplateUnknown(NotificationError):
    """The catalogue has no such template."""

    reason = "TEMPLATE_UNKNOWN"
    code = "INVALID_ARGUMENT"


class ValuesWrong(NotificationError):
    """A template was not given what its text needs."""

    reason = "VALUES_WRONG"
    code = "INVALID_ARGUMENT"


class RecipientInvalid(NotificationError):
    """A message or a contact names no mobile that can be written to."""

    reason = "RECIPIENT_INVALID"
    code = "INVALID_ARGUMENT"


class ContactUnknown(NotificationError):
    """No contact is kept for the account yet; the fact that brings it may still be on its way."""

    reason = "CONTACT_UNKNOWN"
    code = "FAILED_PRECONDITION"


class PartUnknown(NotificationError):
    """A receipt names a part that no message has yet; the news of its submission may still be on its way."""

    reason = "PART_UNKNOWN"
    code = "FAILED_PRECONDITION"


class ReceiptStateUnknown(NotificationError):
    """A receipt states no known outcome of its part."""

    reason = "RECEIPT_STATE_UNKNOWN"
    code = "INVALID_ARGUMENT"


class MessageState(Enum):
    """What came of a message."""

    PENDING = "pending"
    SUBMITTED = "submitted"
    DELIVERED = "delivered"
    REFUSED = "refused"
    UNKNOWN = "unknown"
    EXPIRED = "expired"
    UNDELIVERED = "undelivered"


class ReceiptState(Enum):
    """What a receipt says of one part."""

    DELIVERED = "delivered"
    UNDELIVERED = "undelivered"
    EXPIRED = "expired"


ANSWER_STRENGTH = {
    MessageState.PENDING: 0,
    MessageState.EXPIRED: 1,  # said of one try; another may have gone further
    MessageState.UNKNOWN: 2,
    MessageState.REFUSED: 3,
}
"""Which answer stays when a message that no operator took has had several."""


@dataclass(frozen=True)
class Contact:
    """How to reach a person: E.164 and a BCP 47 tag. `account_id` is empty for who has no account yet."""

    account_id: str
    mobile: str = field(repr=False)
    language: str = "ar"

    def __post_init__(self) -> None:
        if not MOBILE.fullmatch(self.mobile):
            raise RecipientInvalid("A contact is a mobile number in E.164 form.")


@dataclass(frozen=True)
class Part:
    """A part that the operator took, by the operator's id, and what its receipt said, once there is one."""

    part_id: str
    receipt: ReceiptState | None = None


@dataclass(frozen=True)
class Step:
    """A state that a message reached, and when."""

    state: MessageState
    time: datetime


@dataclass(frozen=True)
class SmsContent:
    """The sealed part of a handover: a mobile in E.164 and the text."""

    mobile: str = field(repr=False)
    text: str = field(repr=False)


@dataclass(frozen=True)
class Handover:
    """Fact: a text goes to the SMS connector. It is never part of the state."""

    message_id: str
    content: SmsContent
    once: bool = False
    expire_time: datetime | None = None


@dataclass(frozen=True)
class Message:
    """A message to a person: which template and what came of it; neither text nor number is kept."""

    message_id: str
    account_id: str
    template: str
    request_number: str
    once: bool
    create_time: datetime
    expire_time: datetime | None = None
    answer: MessageState = MessageState.PENDING
    reason: str = ""
    parts: tuple[Part, ...] = ()
    steps: tuple[Step, ...] = ()
    receipt_time: datetime | None = None

    @property
    def state(self) -> MessageState:
        """The strongest thing known: receipts, then that it was taken, then the connector's other answers."""
        receipts = {part.receipt for part in self.parts}
        if not receipts:
            return self.answer
        if ReceiptState.UNDELIVERED in receipts:
            return MessageState.UNDELIVERED
        if ReceiptState.EXPIRED in receipts:
            return MessageState.EXPIRED
        if None in receipts:
            return MessageState.SUBMITTED
        return MessageState.DELIVERED

    def submitted(self, part_ids: Sequence[str], now: datetime) -> "Message":
        """The operator took it. A second submission, after a crash of the connector, adds its parts."""
        known = {part.part_id for part in self.parts}
        new = tuple(Part(part_id) for part_id in dict.fromkeys(part_ids) if part_id not in known)
        return _stepped(self, replace(self, parts=(self.parts + new)[:MOST_PARTS], reason=""), now)

    def refused(self, reason: str, now: datetime) -> "Message":
        """The operator refused it for good; no news once it was taken."""
        return self._answered(MessageState.REFUSED, reason, now)

    def lost(self, now: datetime) -> "Message":
        """The operator's answer was lost: it is not known whether it was taken."""
        return self._answered(MessageState.UNKNOWN, "", now)

    def expired(self, now: datetime) -> "Message":
        """Its time had passed before it could be submitted."""
        return self._answered(MessageState.EXPIRED, "", now)

    def receipted(self, part_id: str, receipt: ReceiptState, time: datetime, now: datetime) -> "Message":
        """The operator's receipt for one part; the first for a part counts. PartUnknown if it has none such."""
        if part_id not in {part.part_id for part in self.parts}:
            raise PartUnknown("The receipt names a part that this message has not.")
        parts = tuple(
            replace(part, receipt=part.receipt or receipt) if part.part_id == part_id else part
            for part in self.parts
        )
        if parts == self.parts:
            return self
        return _stepped(self, replace(self, parts=parts, receipt_time=time), now)

    def _answered(self, answer: MessageState, reason: str, now: datetime) -> "Message":
        if self.parts or ANSWER_STRENGTH[answer] <= ANSWER_STRENGTH[self.answer]:
            return self
        return _stepped(self, replace(self, answer=answer, reason=reason), now)


def _stepped(before: Message, after: Message, now: datetime) -> Message:
    """The message after news, with a step more if its state changed."""
    if after.state is before.state:
        return after
    return replace(after, steps=(*after.steps, Step(after.state, now)))


def open_message(
    message_id: str,
    contact: Contact,
    *,
    template: str,
    request_number: str,
    once: bool,
    text: str,
    expire_time: datetime | None,
    now: datetime,
) -> Outcome[Message, Handover]:
    """Make a message and hand it over; one whose time has passed is kept as expired and handed to nobody."""
    message = Message(
        message_id=message_id,
        account_id=contact.account_id,
        template=template,
        request_number=request_number,
        once=once,
        create_time=now,
        expire_time=expire_time,
        steps=(Step(MessageState.PENDING, now),),
    )
    if expire_time is not None and expire_time <= now:
        return Outcome(message.expired(now))
    content = SmsContent(contact.mobile, text)
    return Outcome(message, (Handover(message_id, content, once=once, expire_time=expire_time),))
