"""The rules of messages. Events of a message arrive at least once and in any order.

A message's state therefore follows from the event with the highest precedence, not from the latest: receipts precede a
submission, which precedes the connector's other answers. A receipt of a part that is not known yet is kept as a part:
the operator accepted it, whatever the connector learned of its submission.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import Enum

from chassis.domain import DomainError, Outcome

MAX_PARTS = 40
"""Stored parts of a message: an SMS of 2,600 Arabic characters, far longer than any template."""

MOBILE = re.compile(r"\+[1-9][0-9]{7,14}")
"""E.164. Identity, the source of contacts, checks that a number is Egyptian."""


class NotificationError(DomainError):
    """Base of the errors of notification."""


class MessageNotFound(NotificationError):
    """There is no such message, or the caller may not see it."""

    reason = "MESSAGE_NOT_FOUND"
    code = "NOT_FOUND"


class TemplateUnknown(NotificationError):
    """The catalogue has no such template."""

    reason = "TEMPLATE_UNKNOWN"
    code = "INVALID_ARGUMENT"


class ValuesWrong(NotificationError):
    """A value of the template's placeholders is missing."""

    reason = "VALUES_WRONG"
    code = "INVALID_ARGUMENT"


class RecipientInvalid(NotificationError):
    """A message or a contact has no valid mobile number."""

    reason = "RECIPIENT_INVALID"
    code = "INVALID_ARGUMENT"


class ContactUnknown(NotificationError):
    """No contact is stored for the account; its event may not have arrived yet."""

    reason = "CONTACT_UNKNOWN"
    code = "FAILED_PRECONDITION"


class PartUnknown(NotificationError):
    """A receipt names a part that no message has, and more or less than one message to its phone can have it."""

    reason = "PART_UNKNOWN"
    code = "FAILED_PRECONDITION"


class ReceiptStateUnknown(NotificationError):
    """A receipt has an unknown state."""

    reason = "RECEIPT_STATE_UNKNOWN"
    code = "INVALID_ARGUMENT"


class ReceiptUnreadable(NotificationError):
    """The connector cannot read a receipt with its settings; the receipt is kept for an operator."""

    reason = "RECEIPT_UNREADABLE"
    code = "INVALID_ARGUMENT"


class MessageState(Enum):
    """State of a message."""

    PENDING = "pending"
    SUBMITTED = "submitted"
    DELIVERED = "delivered"
    REFUSED = "refused"
    UNKNOWN = "unknown"
    EXPIRED = "expired"
    UNDELIVERED = "undelivered"


class ReceiptState(Enum):
    """State of a part in its receipt."""

    DELIVERED = "delivered"
    UNDELIVERED = "undelivered"
    EXPIRED = "expired"


ANSWER_PRECEDENCE = {
    MessageState.PENDING: 0,
    MessageState.EXPIRED: 1,  # of one attempt; another may have another answer
    MessageState.UNKNOWN: 2,
    MessageState.REFUSED: 3,
    MessageState.SUBMITTED: 4,
}
"""Precedence among several answers of the connector."""

RECEIPT_PRECEDENCE = {ReceiptState.EXPIRED: 0, ReceiptState.UNDELIVERED: 1, ReceiptState.DELIVERED: 2}
"""Precedence among contradicting receipts of one part: some operators report a failure before a late delivery."""


@dataclass(frozen=True)
class Contact:
    """Address of a person: mobile in E.164, language as BCP 47 tag. `account_id` is empty before an account exists."""

    account_id: str
    mobile: str = field(repr=False)
    language: str = "ar"

    def __post_init__(self) -> None:
        if not MOBILE.fullmatch(self.mobile):
            raise RecipientInvalid("A contact must be a mobile number in E.164 form.")


@dataclass(frozen=True)
class Part:
    """A part that the operator accepted: the operator's id, and the state in its receipt, None before."""

    part_id: str
    receipt: ReceiptState | None = None


@dataclass(frozen=True)
class Step:
    """A change of a message's state, with its time."""

    state: MessageState
    time: datetime


@dataclass(frozen=True)
class Text:
    """A text, its recipient (keyed hash of the mobile), its number of parts, and the reference of several parts."""

    text: str = field(repr=False)
    recipient: str
    part_count: int = 1
    reference: int | None = None


@dataclass(frozen=True)
class SmsContent:
    """The sealed part of an SMS request: a mobile in E.164, the text, and the reference of its parts if several."""

    mobile: str = field(repr=False)
    text: str = field(repr=False)
    reference: int | None = None


@dataclass(frozen=True)
class SmsRequested:
    """Fact: an SMS is requested from the connector. Text and number are not part of the state."""

    message_id: str
    content: SmsContent
    once: bool = False
    expire_time: datetime | None = None


@dataclass(frozen=True)
class Message:
    """A message to a person: its template and its outcome; neither text nor number is stored.

    Attributes:
        recipient: keyed hash of the mobile.
        part_count: number of parts of the text.
        answer: the strongest of the connector's answers.
        parts: parts that the operator accepted, according to the connector or to a receipt.
        parts_unknown: the operator may have accepted further parts, whose ids only their receipts show.
    """

    message_id: str
    account_id: str
    template: str
    request_number: str
    once: bool
    create_time: datetime
    expire_time: datetime | None = None
    recipient: str = ""
    part_count: int = 1
    answer: MessageState = MessageState.PENDING
    reason: str = ""
    parts: tuple[Part, ...] = ()
    parts_unknown: bool = False
    steps: tuple[Step, ...] = ()
    receipt_time: datetime | None = None

    @property
    def state(self) -> MessageState:
        """The state by precedence: receipts, then a submission, then the connector's other answers."""
        receipts = {part.receipt for part in self.parts}
        if ReceiptState.UNDELIVERED in receipts:
            return MessageState.UNDELIVERED
        if ReceiptState.EXPIRED in receipts:
            return MessageState.EXPIRED
        if not receipts or None in receipts or not self._all_parts_known:
            return self.answer
        return MessageState.DELIVERED

    @property
    def may_have_further_parts(self) -> bool:
        """Whether the operator may have accepted a part whose id is not known here."""
        refused = self.part_count == 1 and self.answer in {MessageState.REFUSED, MessageState.EXPIRED}
        return self.parts_unknown or not (refused or self._all_parts_known)

    @property
    def _all_parts_known(self) -> bool:
        return self.answer is MessageState.SUBMITTED or len(self.parts) >= self.part_count

    def submitted(self, part_ids: Sequence[str], now: datetime, *, parts_unknown: bool = False) -> "Message":
        """Record that the operator accepted it. A second submission, after a crash of the connector, adds its parts."""
        known = {part.part_id for part in self.parts}
        new = tuple(Part(part_id) for part_id in dict.fromkeys(part_ids) if part_id not in known)
        after = replace(
            self,
            answer=MessageState.SUBMITTED,
            parts=(self.parts + new)[:MAX_PARTS],
            parts_unknown=self.parts_unknown or parts_unknown,
            reason="",
        )
        return _with_step(self, after, now)

    def refused(self, reason: str, now: datetime) -> "Message":
        """Record that the operator refused it for good; ignored after a submission."""
        return self._answered(MessageState.REFUSED, reason, now)

    def lost(self, now: datetime) -> "Message":
        """Record that the operator's answer was lost: it may or may not have been accepted."""
        return self._answered(MessageState.UNKNOWN, "", now)

    def expired(self, now: datetime) -> "Message":
        """Record that it expired before its submission."""
        return self._answered(MessageState.EXPIRED, "", now)

    def receipted(self, part_id: str, receipt: ReceiptState, time: datetime, now: datetime) -> "Message":
        """Record the operator's receipt of one part. A part that is not known yet is added, up to `MAX_PARTS`."""
        parts = {part.part_id: part.receipt for part in self.parts}
        known = parts.get(part_id)
        stronger = known is None or RECEIPT_PRECEDENCE[known] < RECEIPT_PRECEDENCE[receipt]
        if not stronger or (part_id not in parts and len(parts) >= MAX_PARTS):
            return self
        parts[part_id] = receipt
        after = replace(self, parts=tuple(Part(*part) for part in parts.items()), receipt_time=time)
        return _with_step(self, after, now)

    def contradicts(self, part_id: str, receipt: ReceiptState) -> bool:
        """Whether an earlier receipt of the part has another state."""
        return any(part.part_id == part_id and part.receipt not in {None, receipt} for part in self.parts)

    def _answered(self, answer: MessageState, reason: str, now: datetime) -> "Message":
        if ANSWER_PRECEDENCE[answer] <= ANSWER_PRECEDENCE[self.answer]:
            return self
        return _with_step(self, replace(self, answer=answer, reason=reason), now)


def _with_step(before: Message, after: Message, now: datetime) -> Message:
    """The message after a change, with a further step if its state changed."""
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
    text: Text,
    expire_time: datetime | None,
    now: datetime,
) -> Outcome[Message, SmsRequested]:
    """A new message, and the request to the connector; an expired message is stored without a request."""
    message = Message(
        message_id=message_id,
        account_id=contact.account_id,
        template=template,
        request_number=request_number,
        once=once,
        create_time=now,
        expire_time=expire_time,
        recipient=text.recipient,
        part_count=text.part_count,
        steps=(Step(MessageState.PENDING, now),),
    )
    if expire_time is not None and expire_time <= now:
        return Outcome(message.expired(now))
    content = SmsContent(contact.mobile, text.text, text.reference)
    return Outcome(message, (SmsRequested(message_id, content, once=once, expire_time=expire_time),))
