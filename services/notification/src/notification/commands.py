"""Use cases: load, decide, save; one function for each command. Events cause all of them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import uuid4

from chassis.commands import Cause, Decision, cause_id, execute

from notification import facts
from notification.context import Context
from notification.model import Contact, ContactUnknown, Message, PartUnknown, ReceiptState, Text, open_message
from notification.references import References
from notification.sms_text import count_parts

LATEST_RECEIPT = timedelta(days=7)
"""Age of a message up to which a receipt without a known part may belong to it."""


@dataclass(frozen=True)
class Receipt:
    """The operator's receipt of one part; `time` is UTC."""

    part_id: str
    state: ReceiptState
    time: datetime


async def keep_contact(ctx: Context, cause: Cause, contact: Contact) -> None:
    """Store the contact of an account."""
    await execute(ctx.store.contacts, contact.account_id, lambda _: Decision(state=contact), cause)


async def tell_account(
    ctx: Context, cause: Cause, account_id: str, *, template: str, values: Mapping[str, str], number: str
) -> None:
    """Send a message to the holder of an account; ContactUnknown while no contact is stored."""
    contact = await contact_of(ctx, account_id)
    await tell(ctx, cause, contact, template=template, values=values, number=number)


async def contact_of(ctx: Context, account_id: str) -> Contact:
    """The stored contact of an account; ContactUnknown if there is none yet."""
    contact = await ctx.store.contact(account_id)
    if contact is None:
        raise ContactUnknown("No contact is stored for the account.")
    return contact


async def tell(
    ctx: Context,
    cause: Cause,
    contact: Contact,
    *,
    template: str,
    values: Mapping[str, str],
    number: str = "",
    expire_time: datetime | None = None,
) -> None:
    """Create the one message of a cause, and request its submission from the connector.

    The text is stored only in the outbox, sealed. TemplateUnknown, ValuesWrong, RecipientInvalid, ReferencesExhausted.
    """
    message_template = ctx.catalogue.template(template)
    message_id = cause.new_id("message")
    text = message_template.render(contact.language, values)
    opened = open_message(
        message_id,
        contact,
        template=template,
        request_number=number,
        once=message_template.once,
        text=await _for_recipient(ctx, cause, contact.mobile, message_id, text),
        expire_time=expire_time,
        now=cause.now,
    )

    def decide(state: Message | None) -> Decision[Message] | None:
        # The message exists only if its cause was handled before the retention of processed events.
        return None if state is not None else Decision(state=opened.state, facts=facts.messages(opened.facts))

    await execute(ctx.store.messages, opened.state.message_id, decide, cause)
    ctx.metrics.moved(None, opened.state)


async def _for_recipient(ctx: Context, cause: Cause, mobile: str, message_id: str, text: str) -> Text:
    """The text with its number of parts and, if it has several, with a reference for them."""
    recipient, part_count = ctx.recipient(mobile), count_parts(text)
    if part_count == 1:
        return Text(text, recipient)
    return Text(text, recipient, part_count, await _reference(ctx, cause, recipient, message_id))


async def _reference(ctx: Context, cause: Cause, recipient: str, message_id: str) -> int:
    """Allocate a concatenation reference of a recipient for a message, before the message exists.

    A repeated cause gets the same reference while it is among the recipient's latest. Later it gets another one, which
    is not used: the message exists by then, or nothing was submitted with the former one.
    """
    # A cause of its own for each call: the state decides whether the message has a reference already.
    own = Cause(id=cause_id("reference", message_id, str(uuid4())), now=cause.now)
    allocated: list[References] = []

    def decide(state: References | None) -> Decision[References] | None:
        before = state or References()
        after = before.allocate(message_id, cause.now)
        allocated[:] = [after]
        return None if after is before else Decision(state=after)

    await execute(ctx.store.references, recipient, decide, own)
    reference = allocated[0].of(message_id)
    assert reference is not None
    return reference


async def submitted(
    ctx: Context, cause: Cause, message_id: str, part_ids: Sequence[str], *, parts_unknown: bool
) -> None:
    """Record that the operator accepted a message."""
    await _apply(
        ctx,
        cause,
        message_id,
        lambda message: message.submitted(part_ids, cause.now, parts_unknown=parts_unknown),
    )


async def refused(ctx: Context, cause: Cause, message_id: str, reason: str) -> None:
    """Record that the operator refused a message finally."""
    await _apply(ctx, cause, message_id, lambda message: message.refused(reason, cause.now))


async def lost(ctx: Context, cause: Cause, message_id: str) -> None:
    """Record that the operator's answer was lost: the message may or may not have been accepted."""
    await _apply(ctx, cause, message_id, lambda message: message.lost(cause.now))


async def expired(ctx: Context, cause: Cause, message_id: str) -> None:
    """Record that a message expired before its submission."""
    await _apply(ctx, cause, message_id, lambda message: message.expired(cause.now))


async def receipted(
    ctx: Context, cause: Cause, receipt: Receipt, *, message_id: str = "", mobile: str = ""
) -> None:
    """Record the receipt of a part.

    Args:
        ctx: of the service.
        cause: the event.
        receipt: of the part.
        message_id: the part's message if the connector knows it.
        mobile: the phone, E.164, if the connector does not.

    Raises:
        PartUnknown: the part's message is not certain.
    """
    message_id = message_id or await _message_of(ctx, cause, receipt.part_id, mobile)

    def change(message: Message) -> Message:
        if message.contradicts(receipt.part_id, receipt.state):
            ctx.metrics.contradicted(message)
        return message.receipted(receipt.part_id, receipt.state, receipt.time, cause.now)

    await _apply(ctx, cause, message_id, change)


async def _message_of(ctx: Context, cause: Cause, part_id: str, mobile: str) -> str:
    """Id of the message of a part that the connector did not name; PartUnknown unless there is exactly one.

    The SMSC sends receipts of our submissions only. A part without a known id therefore belongs to a message to this
    phone whose submission has no complete result: certain if there is one such message, a guess if there are several.
    """
    message = await ctx.store.with_part(part_id)
    if message is not None:
        return message.message_id
    recent = await ctx.store.latest_to(ctx.recipient(mobile), cause.now - LATEST_RECEIPT) if mobile else []
    candidates = [message for message in recent if message.may_have_further_parts]
    if len(candidates) != 1:
        raise PartUnknown
    return candidates[0].message_id


async def _apply(ctx: Context, cause: Cause, message_id: str, change: Callable[[Message], Message]) -> None:
    """Apply an event to its message; an event of an unknown message is ignored."""
    moves: list[tuple[Message, Message]] = []

    def decide(state: Message | None) -> Decision[Message] | None:
        if state is None:
            return None
        after = change(state)
        moves[:] = [(state, after)]
        return Decision(state=after)

    await execute(ctx.store.messages, message_id, decide, cause)
    for before, after in moves:
        ctx.metrics.moved(before, after)
