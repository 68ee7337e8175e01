"""Use cases: load, decide, save; one function for each command. Events cause all of them."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

from chassis.commands import Cause, Decision, execute

from notification import facts
from notification.context import Context
from notification.model import Contact, ContactUnknown, Message, PartUnknown, ReceiptState, open_message


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

    The text is stored only in the outbox, sealed. TemplateUnknown, ValuesWrong, RecipientInvalid.
    """
    message_template = ctx.catalogue.template(template)
    opened = open_message(
        cause.new_id("message"),
        contact,
        template=template,
        request_number=number,
        once=message_template.once,
        text=message_template.render(contact.language, values),
        expire_time=expire_time,
        now=cause.now,
    )

    def decide(state: Message | None) -> Decision[Message] | None:
        # The message exists only if its cause was handled before the retention of processed events.
        return None if state is not None else Decision(state=opened.state, facts=facts.messages(opened.facts))

    await execute(ctx.store.messages, opened.state.message_id, decide, cause)
    ctx.metrics.moved(None, opened.state)


async def submitted(ctx: Context, cause: Cause, message_id: str, part_ids: Sequence[str]) -> None:
    """Record that the operator accepted a message."""
    await _apply(ctx, cause, message_id, lambda message: message.submitted(part_ids, cause.now))


async def refused(ctx: Context, cause: Cause, message_id: str, reason: str) -> None:
    """Record that the operator refused a message finally."""
    await _apply(ctx, cause, message_id, lambda message: message.refused(reason, cause.now))


async def lost(ctx: Context, cause: Cause, message_id: str) -> None:
    """Record that the operator's answer was lost: the message may or may not have been accepted."""
    await _apply(ctx, cause, message_id, lambda message: message.lost(cause.now))


async def expired(ctx: Context, cause: Cause, message_id: str) -> None:
    """Record that a message expired before its submission."""
    await _apply(ctx, cause, message_id, lambda message: message.expired(cause.now))


async def receipted(ctx: Context, cause: Cause, part_id: str, receipt: ReceiptState, time: datetime) -> None:
    """Record the receipt of a part; PartUnknown while no message has the part."""
    message = await ctx.store.with_part(part_id)
    if message is None:
        raise PartUnknown("No message has this part yet.")
    await _apply(
        ctx, cause, message.message_id, lambda current: current.receipted(part_id, receipt, time, cause.now)
    )


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
