"""Command that ends all sessions of an account or officer."""

from chassis.commands import CommandRequest, Decision, execute
from chassis.rpc.current import Call
from diwan.identity.v1 import identity_pb2 as pb

from identity.commands import codes
from identity.context import Context
from identity.model.accounts import Account
from identity.model.errors import SessionEnded
from identity.model.facts import RevocationReason
from identity.model.officers import Officer
from identity.model.sessions import Holder, Session
from identity.signing import read_refresh_token


async def sign_out_everywhere(
    ctx: Context, call: Call, form: pb.SignOutEverywhereRequest
) -> pb.SignOutEverywhereResponse:
    """End all sessions of the holder of a refresh token, of any generation; SessionEnded unless its session is open.

    It is one write to the holder, whose revocation time every session is compared with.
    """
    session_id, _ = read_refresh_token(ctx.keys, form.refresh_token)
    loaded = await ctx.store.sessions.load(session_id)
    if loaded is None:
        raise SessionEnded
    session = loaded.state
    if session.holder is Holder.CITIZEN:
        await _end_all_of_citizen(ctx, call, form, session)
    else:
        await _end_all_of_officer(ctx, call, form, session)
    ctx.count_revocation(RevocationReason.SIGNED_OUT_EVERYWHERE)
    return pb.SignOutEverywhereResponse()


async def _end_all_of_citizen(
    ctx: Context, call: Call, form: pb.SignOutEverywhereRequest, session: Session
) -> None:
    def decide(account: Account | None) -> Decision[Account]:
        if account is None or not session.is_open(call.now) or not session.outlasts(account.revoke_time):
            raise SessionEnded
        return codes.decided(account.sign_out_everywhere(call.now))

    request: CommandRequest[Account, pb.SignOutEverywhereResponse] = call.request(form, answer=_answer)
    await execute(ctx.store.accounts, session.holder_id, decide, request)


async def _end_all_of_officer(
    ctx: Context, call: Call, form: pb.SignOutEverywhereRequest, session: Session
) -> None:
    def decide(officer: Officer | None) -> Decision[Officer]:
        if officer is None or not session.is_open(call.now) or not session.outlasts(officer.revoke_time):
            raise SessionEnded
        return codes.decided(officer.sign_out_everywhere(call.now))

    request: CommandRequest[Officer, pb.SignOutEverywhereResponse] = call.request(form, answer=_answer)
    await execute(ctx.store.officers, session.holder_id, decide, request)


def _answer(_: Account | Officer) -> pb.SignOutEverywhereResponse:
    return pb.SignOutEverywhereResponse()
