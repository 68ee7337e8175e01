"""Queries of notary. A case that the caller may not read is reported as not found."""

import hmac

from chassis.caller import Caller, Kind
from chassis.pages import Page, PageTokenInvalid
from chassis.rpc.current import Call

from notary.context import Context
from notary.model import errors
from notary.model.content import CROCKFORD, VERIFICATION_CODE_LETTERS
from notary.model.power_of_attorney import PowerOfAttorney, State

_NO_CODE = CROCKFORD[:VERIFICATION_CODE_LETTERS]


async def get(ctx: Context, call: Call, case_id: str) -> PowerOfAttorney:
    """One case: a principal reads their own, a clerk their office's issued ones, a reviewer the claimed one.

    Raises:
        PowerOfAttorneyNotFound: there is none that the caller may read.
    """
    caller, case = call.caller, await ctx.store.case(case_id)
    if case is None or not (_owns(caller, case) or _serves(caller, case) or _reviews(caller, case)):
        raise errors.PowerOfAttorneyNotFound
    await _record(ctx, call, case)
    return case


async def listed(ctx: Context, call: Call, page_size: int, page_token: str) -> Page[PowerOfAttorney]:
    """A page of the cases that the caller may read, newest first.

    Raises:
        PageTokenInvalid: the token was issued for another query.
    """
    caller = call.caller
    if caller.kind is Kind.CITIZEN:
        page = await ctx.store.of_principal(caller.id, page_size, page_token)
    elif caller.office:
        page = await ctx.store.at_office(caller.office, page_size, page_token)
    elif page_token:
        raise PageTokenInvalid
    else:
        page = Page([])
    if page.items:
        await _record(ctx, call, *page.items)
    return page


async def download(ctx: Context, call: Call, case_id: str) -> bytes:
    """The signed PDF, for the principal or a clerk at the assigned office.

    Raises:
        PowerOfAttorneyNotFound: there is none for this caller.
        NotIssued: it is not signed yet.
    """
    caller, case = call.caller, await ctx.store.case(case_id)
    if case is None or not (_owns(caller, case) or _assigned(caller, case)):
        raise errors.PowerOfAttorneyNotFound
    if not case.in_force:
        raise errors.NotIssued
    await _record(ctx, call, case)
    pdf = await ctx.store.document(case.document_digest)
    assert pdf is not None, "an issued document is stored"
    return pdf


async def verify(ctx: Context, number: str, code: str) -> PowerOfAttorney:
    """The document with this number and code; every wrong pair has the same error and takes the same time.

    Raises:
        DocumentNotFound: no document has them.
    """
    case = await ctx.store.by_number(number)
    if case is None:
        hmac.compare_digest(_NO_CODE.encode(), code.encode())
        verified = False
    else:
        verified = case.verified_by(code)
    ctx.metrics.verified(found=verified)
    if case is None or not verified:
        raise errors.DocumentNotFound
    return case


def _owns(caller: Caller, case: PowerOfAttorney) -> bool:
    return caller.kind is Kind.CITIZEN and bool(caller.id) and caller.id == case.content.principal.account_id


def _assigned(caller: Caller, case: PowerOfAttorney) -> bool:
    clerk = caller.kind is Kind.OFFICER and "clerk" in caller.roles
    return clerk and bool(caller.office) and caller.office == case.office_id


def _serves(caller: Caller, case: PowerOfAttorney) -> bool:
    return _assigned(caller, case) and case.in_force


def _reviews(caller: Caller, case: PowerOfAttorney) -> bool:
    reviewer = caller.kind is Kind.OFFICER and "reviewer" in caller.roles
    return reviewer and case.state is State.IN_REVIEW and case.open_reviewer == caller.id


async def _record(ctx: Context, call: Call, *cases: PowerOfAttorney) -> None:
    """Record an officer's read before the response; a principal's reads of their own cases are not recorded."""
    if call.caller.kind is Kind.OFFICER:
        await ctx.store.access_log.record(call, [case.id for case in cases])
