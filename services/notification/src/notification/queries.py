"""Queries of notification. A citizen can read only their own messages; others are reported as not found."""

from chassis.caller import Caller, Kind
from chassis.pages import Page

from notification.context import Context
from notification.model import Message, MessageNotFound


async def get(ctx: Context, caller: Caller, message_id: str) -> Message:
    """One message that the caller may read; MessageNotFound otherwise."""
    message = await ctx.store.message(message_id)
    if message is None or (caller.kind is Kind.CITIZEN and message.account_id != caller.id):
        raise MessageNotFound("There is no such message.")
    return message


async def listed(
    ctx: Context, caller: Caller, *, account_id: str, request_number: str, page_size: int, page_token: str
) -> Page[Message]:
    """A page of messages, newest first.

    Raises:
        MessageNotFound: a citizen requests another account's messages.
        PageTokenInvalid: the token was issued for another query.
    """
    if caller.kind is Kind.CITIZEN:
        if account_id not in ("", caller.id):
            raise MessageNotFound("There are no such messages.")
        account_id = caller.id
    return await ctx.store.newest(
        account_id=account_id, request_number=request_number, page_size=page_size, page_token=page_token
    )
