"""Queries of identity. Reads by services are recorded in the access log."""

import asyncio

from chassis.caller import Caller, Kind
from chassis.errors import TokenExpired, TokenInvalid
from chassis.mapping import to_message
from chassis.rpc.current import Call
from chassis.tokens import verify_access
from diwan.identity.v1 import identity_pb2 as pb

from identity.context import Context
from identity.model import records
from identity.model.accounts import Account, masked
from identity.model.errors import AccountNotFound
from identity.model.persons import Person


async def get_account(ctx: Context, call: Call, form: pb.GetAccountRequest) -> pb.Account:
    """An account: a citizen reads only their own. A service reads any, with the national ID, after a log record.

    NotOwnAccount, PurposeRequired, AccountNotFound.
    """
    if call.caller.kind is not Kind.SERVICE:
        records.check_own(call.caller.id, form.account_id)
        return render_account(*await _by_id(ctx, form.account_id))
    if form.HasField("national_id"):
        person_key = ctx.person_key(ctx.national_id(form.national_id, call.now))
        await ctx.store.access_log.record(
            call, [ctx.account_id(person_key)], purpose=records.stated_purpose(form.purpose)
        )
        account, person = await _by_person(ctx, person_key, form.first_name)
    else:
        await ctx.store.access_log.record(
            call, [form.account_id], purpose=records.stated_purpose(form.purpose)
        )
        account, person = await _by_id(ctx, form.account_id)
    return render_account(account, person, with_national_id=True)


async def is_revoked(ctx: Context, caller: Caller) -> bool:
    """Whether the caller's token was revoked, by the current state of session, account and officer."""
    if caller.kind is Kind.CITIZEN:
        loaded, account = await asyncio.gather(
            ctx.store.sessions.load(caller.session), ctx.store.accounts.load(caller.id)
        )
        revoke_time, may = (account.state.revoke_time if account else None), True
    elif caller.kind is Kind.OFFICER:
        loaded, officer = await asyncio.gather(
            ctx.store.sessions.load(caller.session), ctx.store.officers.load(caller.id)
        )
        revoke_time = officer.state.revoke_time if officer else None
        may = officer is not None and caller.roles <= set(officer.state.roles)
    else:
        return False  # a service belongs to no session, and an anonymous caller has no token
    if loaded is None or loaded.state.holder_id != caller.id:
        return True
    session, now = loaded.state, ctx.clock()
    return not (may and session.is_open(now) and session.outlasts(revoke_time))


async def verify_access_token(
    ctx: Context, call: Call, form: pb.VerifyAccessTokenRequest
) -> pb.VerifyAccessTokenResponse:
    """Whether a token for the calling service is in force."""
    try:
        caller = verify_access(form.access_token, ctx.signing.keys, call.caller.id, call.now)
    except (TokenExpired, TokenInvalid):
        return pb.VerifyAccessTokenResponse(active=False)
    return pb.VerifyAccessTokenResponse(active=not await is_revoked(ctx, caller))


async def _by_id(ctx: Context, account_id: str) -> tuple[Account, Person | None]:
    account = await ctx.store.accounts.load(account_id)
    if account is None:
        raise AccountNotFound
    person = await ctx.store.persons.load(account.state.person_key)
    return account.state, person.state if person else None


async def _by_person(ctx: Context, person_key: str, first_name: str) -> tuple[Account, Person | None]:
    """The account of a person; AccountNotFound if there is none or a given first name does not match.

    Account and person are loaded in every case, so that neither the error nor its time reveals who has an account.
    """
    account = await ctx.store.accounts.load(ctx.account_id(person_key))
    person = await ctx.store.persons.load(person_key)
    name_matches = not first_name or (person is not None and person.state.is_called(first_name))
    if account is None or not name_matches:
        raise AccountNotFound
    return account.state, person.state if person else None


def render_account(account: Account, person: Person | None, *, with_national_id: bool = False) -> pb.Account:
    """The account as an API message; the national ID only with `with_national_id`."""
    return to_message(
        account,
        pb.Account,
        full_name=person.full_name if person else "",
        national_id=person.national_id if person and with_national_id else "",
        governorate=person.governorate if person else "",
        masked_mobile=masked(account.mobile),
    )
