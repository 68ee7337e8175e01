"""Command that issues tokens to services."""

from chassis.caller import Caller, Kind
from chassis.commands import Cause, Decision, cause_id, execute
from chassis.rpc.current import Call
from chassis.times import timestamp
from chassis.tokens import AssertionRefused, claimed_client, sign_access, verify_assertion
from diwan.identity.v1 import identity_pb2 as pb

from identity.context import Context
from identity.model import records
from identity.model.errors import AccountNotFound, ActingNotAllowed, AssertionInvalid, AudienceUnknown
from identity.model.records import UsedAssertion
from identity.model.revocations import ACCESS_LIFETIME


async def issue_service_token(
    ctx: Context, call: Call, form: pb.IssueServiceTokenRequest
) -> pb.IssueServiceTokenResponse:
    """Issue a token to a client that proves its identity by a signed assertion; each assertion is valid once.

    AssertionInvalid, AssertionUsed, AudienceUnknown, ActingNotAllowed, AccountNotFound.
    """
    try:
        client = claimed_client(form.client_assertion)
        keys = ctx.signing.client(client)
        jti, ends = verify_assertion(form.client_assertion, keys, client, call.now)
    except AssertionRefused as refused:
        raise AssertionInvalid(problem=refused.problem) from None
    if form.audience not in ctx.settings.audiences:
        raise AudienceUnknown(field="audience")
    await _may_act(ctx, client, form.acting_for)

    def decide(kept: UsedAssertion | None) -> Decision[UsedAssertion]:
        return Decision(state=records.use_assertion(kept, client, ends))

    # Each call has a cause of its own, so that the same assertion counts as a second use, not as a repetition.
    once = Cause(id=ctx.new_id(), now=call.now)
    await execute(ctx.store.assertions, cause_id("assertion", client, jti), decide, once)
    caller = Caller(kind=Kind.SERVICE, id=client, acting_for=form.acting_for)
    return pb.IssueServiceTokenResponse(
        access_token=sign_access(
            ctx.signing.key,
            caller,
            audience=form.audience,
            now=call.now,
            jti=ctx.new_id(),
            lifetime=ACCESS_LIFETIME,
        ),
        expire_time=timestamp((call.now + ACCESS_LIFETIME).replace(microsecond=0)),
    )


async def _may_act(ctx: Context, client: str, account_id: str) -> None:
    if not account_id:
        return
    if client not in ctx.settings.may_act:
        raise ActingNotAllowed
    if await ctx.store.accounts.load(account_id) is None:
        raise AccountNotFound
