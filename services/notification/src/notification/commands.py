"""Use cases: load, decide, save; one function a command. All are caused by events."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

from chassis.commands import Cause, Decision, execute

from notification import facts
from notification.context import Context
from notification.model import Contact, ContactUnknown, Message, PartUnknown, ReceiptState, open_message


async def keep_contact(ctx: Context, cause: Cause, contact: Contact) -> None:
    """Keep how to reach the holder of an account."""
    await execute(ctx.store.contacts, contact.account_id, lambda _: Decision(state=contact), cause)


async def tell_account(
    ctx: Context, cause: Cause, account_id: str, *, template: str, values: Mapping[str, str], number: str
) -> None:
    """Tell the holder of an account; ContactUnknown while nobody has said how to reach them."""
    contact = await contact_of(ctx, account_id)
    await tell(ctx, cause, contact, template=template, values=values, number=number)


async def contact_of(ctx: Context, account_id: str) -> Contact:
    """The contact that is kept for an account; ContactUnknown if there is none yet."""
    contact = await ctx.store.contact(account_id)
    if contact is None:
        raise ContactUnknown("No contact is kept for the account.")
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
    """Make the one message that a cause gives rise to, and hand it to the connector.

    The text goes into the outbox, sealed, and nowhere else.
    """
    chosen = ctx.catalogue.template(template)
    opened = open_message(
        cause.new_id("message"),
        contact,
        template=template,
        request_number=number,
        once=chosen.once,
        text=chosen.render(contact.language, values),
        expire_time=expire_time,
        now=cause.now,
    )

    def decide(state: Message | None) -> Decision[Message] | None:
        # It is there only if its cause was handled longer ago than the message remembers.
        return None if state is not None else Decision(state=opened.state, facts=facts.messages(opened.facts))

    await execute(ctx.store.messages, opened.state.message_id, decide, cause)
    ctx.metrics.moved(None, opened.state)


async def submitted(ctx: Context, cause: Cause, message_id: str, part_ids: Sequence[str]) -> None:
    """The operator took a message."""
    await _hear(ctx, cause, message_id, lambda message: message.submitted(part_ids, cause.now))


async def refused(ctx: Context, cause: Cause, message_id: str, reason: str) -> None:
    """The operator refused a message for good."""
    await _hear(ctx, cause, message_id, lambda message: message.refused(reason, cause.now))


async def lost(ctx: Context, cause: Cause, message_id: str) -> None:
    """Nobody knows whether the operator took a message."""
    await _hear(ctx, cause, message_id, lambda message: message.lost(cause.now))


async def expired(ctx: Context, cause: Cause, message_id: str) -> None:
    """The time of a message had passed before it was submitted."""
    await _hear(ctx, cause, message_id, lambda message: message.expired(cause.now))


async def receipted(ctx: Context, cause: Cause, part_id: str, receipt: ReceiptState, time: datetime) -> None:
    """A receipt came for a part; PartUnknown while no message has it."""
    message = await ctx.store.with_part(part_id)
    if message is None:
        raise PartUnknown("No message has this part yet.")
    await _hear(
        ctx, cause, message.message_id, lambda found: found.receipted(part_id, receipt, time, cause.now)
    )


async def _hear(ctx: Context, cause: Cause, message_id: str, change: Callable[[Message], Message]) -> None:
    """Take news of a message; of one that is not ours there is none to take."""
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
