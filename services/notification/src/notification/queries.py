"""What is read. A citizen sees messages of their own, and is told of no others."""

from chassis import pages
from chassis.caller import Caller, Kind

from notification.context import Context
from notification.model import Message, MessageNotFound


async def get(ctx: Context, caller: Caller, message_id: str) -> Message:
    """One message that the caller may see; MessageNotFound otherwise."""
    message = await ctx.store.message(message_id)
    if message is None or (caller.kind is Kind.CITIZEN and message.account_id != caller.id):
        raise MessageNotFound("There is no such message.")
    return message


async def listed(
    ctx: Context, caller: Caller, *, account_id: str, request_number: str, page_size: int, page_token: str
) -> tuple[list[Message], str]:
    """A page, newest first, and the token of the next one, empty at the end.

    Raises:
        MessageNotFound: a citizen asks for another account's.
        PageTokenInvalid: the token was not given for this question.
    """
    if caller.kind is Kind.CITIZEN:
        if account_id not in ("", caller.id):
            raise MessageNotFound("There are no such messages.")
        account_id = caller.id
    question = [account_id, request_number]
    size = page_size or pages.SIZE
    found = await ctx.store.newest(
        account_id=account_id,
        request_number=request_number,
        after=pages.cursor(page_token, question),
        limit=size + 1,
    )
    return pages.page(
        found, size, question, lambda message: pages.Cursor(message.create_time, message.message_id)
    )
