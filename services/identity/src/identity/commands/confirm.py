"""Commands that confirm one exact content with a code."""

from chassis.commands import CommandRequest, Decision, execute
from chassis.rpc.current import Call
from chassis.times import timestamp
from chassis.tokens import sign_confirmation
from diwan.identity.v1 import identity_pb2 as pb

from identity.commands import codes
from identity.context import Context
from identity.model import confirmations
from identity.model.codes import new_code
from identity.model.confirmations import Confirmation
from identity.model.errors import AccountNotFound, AudienceUnknown, ConfirmationNotFound

PURPOSE = "confirmation"


def _audience(ctx: Context, purpose: str) -> str:
    """The service that accepts the statement: the first segment of the purpose; AudienceUnknown if there is none."""
    service = purpose.partition(".")[0]
    if service not in ctx.settings.audiences:
        raise AudienceUnknown(field="purpose")
    return service


async def start_confirmation(
    ctx: Context, call: Call, form: pb.StartConfirmationRequest
) -> pb.StartConfirmationResponse:
    """Send the caller a code for this purpose and content.

    Raises:
        AudienceUnknown: the purpose names no service.
        AccountNotFound: the caller has no account.
        CodeTooSoon, TooManyStarts: the rate limit is reached.
    """
    _audience(ctx, form.purpose)
    account_id = call.caller.id
    account = await ctx.store.accounts.load(account_id)
    if account is None:
        raise AccountNotFound

    def answer(state: Confirmation) -> pb.StartConfirmationResponse:
        return pb.StartConfirmationResponse(
            confirmation_id=state.confirmation_id, expire_time=timestamp(state.challenge.expire_time)
        )

    request: CommandRequest[Confirmation, pb.StartConfirmationResponse] = call.request(form, answer=answer)
    content = f"{account_id}/{form.purpose}/{form.digest}"
    source = codes.account_source(ctx, account_id)
    await codes.throttle(ctx, request, PURPOSE, content, source=source, limit=ctx.settings.starts)
    await codes.throttle(ctx, request, PURPOSE, account_id, source=source, limit=ctx.settings.confirmations)
    confirmation_id = request.new_id(PURPOSE)
    code = new_code(ctx.below)
    started = confirmations.start_confirmation(
        confirmation_id=confirmation_id,
        account_id=account_id,
        session_id=call.caller.session,
        mobile=account.state.mobile,
        purpose=form.purpose,
        digest=form.digest,
        code=code,
        code_hash=ctx.code_hash(confirmation_id, code),
        now=call.now,
    )

    def decide(_: Confirmation | None) -> Decision[Confirmation]:
        return codes.decided(started)

    response = await execute(ctx.store.confirmations, confirmation_id, decide, request)
    ctx.count_code(PURPOSE, "sent")
    return response


async def complete_confirmation(
    ctx: Context, call: Call, form: pb.CompleteConfirmationRequest
) -> pb.CompleteConfirmationResponse:
    """Check the code and return a signed statement; ConfirmationNotFound, CodeWrong, CodeExpired, CodeLocked."""
    code_hash = ctx.code_hash(form.confirmation_id, form.code)

    def decide(state: Confirmation | None) -> Decision[Confirmation]:
        if state is None:
            raise ConfirmationNotFound
        return codes.decided(state.complete(call.caller.id, call.caller.session, code_hash, call.now))

    request: CommandRequest[Confirmation, pb.CompleteConfirmationResponse] = call.request(
        form, answer=lambda state: _statement(ctx, state), secret=True
    )
    with codes.count_outcome(ctx, PURPOSE):
        return await execute(ctx.store.confirmations, form.confirmation_id, decide, request)


def _statement(ctx: Context, state: Confirmation) -> pb.CompleteConfirmationResponse:
    """The signed statement. Its jti is the confirmation's id, so that repeated statements share one use."""
    if state.confirmed_at is None:
        raise ConfirmationNotFound
    statement = sign_confirmation(
        ctx.signing.key,
        account=state.account_id,
        session=state.session_id,
        purpose=state.purpose,
        digest=state.digest,
        audience=_audience(ctx, state.purpose),
        now=state.confirmed_at,
        jti=state.confirmation_id,
    )
    expire_time = state.confirmed_at + confirmations.STATEMENT_LIFETIME
    return pb.CompleteConfirmationResponse(
        confirmation=statement, expire_time=timestamp(expire_time.replace(microsecond=0))
    )
