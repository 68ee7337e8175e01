"""What is read. Whoever may not see a case is told that there is none."""

import hmac
from uuid import uuid4

from chassis import pages
from chassis.caller import Caller, Kind

from notary.context import Context
from notary.model import errors
from notary.model.content import CROCKFORD, VERIFICATION_CODE_LETTERS
from notary.model.power_of_attorney import PowerOfAttorney, State
from notary.store import Look

_NO_CODE = CROCKFORD[:VERIFICATION_CODE_LETTERS]


async def get(ctx: Context, caller: Caller, case_id: str) -> PowerOfAttorney:
    """One that the caller may see: the principal their own, a clerk their office's, a reviewer the claimed one."""
    case = await ctx.store.case(case_id)
    if case is None or not (_owns(caller, case) or _serves(caller, case) or _reviews(caller, case)):
        raise errors.PowerOfAttorneyNotFound
    await _on_record(ctx, caller, "GetPowerOfAttorney", case)
    return case


async def listed(
    ctx: Context, caller: Caller, page_size: int, page_token: str
) -> tuple[list[PowerOfAttorney], str]:
    """A page, newest first, and the token of the next one, empty at the end; PageTokenInvalid."""
    size = page_size or pages.SIZE
    question = (caller.key, caller.office)
    after = pages.cursor(page_token, question)
    if caller.kind is Kind.CITIZEN:
        found = await ctx.store.of_principal(caller.id, after, size + 1)
    elif caller.office:
        found = await ctx.store.at_office(caller.office, after, size + 1)
    else:
        found = []
    shown, token = pages.page(found, size, question, lambda case: pages.Cursor(case.create_time, case.id))
    if shown:
        await _on_record(ctx, caller, "ListPowersOfAttorney", *shown)
    return shown, token


async def download(ctx: Context, caller: Caller, case_id: str) -> bytes:
    """The signed PDF, for the principal or a clerk at the assigned office.

    Raises:
        PowerOfAttorneyNotFound: there is none for this caller.
        NotIssued: it is not signed yet.
    """
    case = await ctx.store.case(case_id)
    if case is None or not (_owns(caller, case) or _assigned(caller, case)):
        raise errors.PowerOfAttorneyNotFound
    if not case.in_force:
        raise errors.NotIssued
    await _on_record(ctx, caller, "DownloadPowerOfAttorney", case)
    pdf = await ctx.store.document(case.document_digest)
    assert pdf is not None, "an issued document is kept"
    return pdf


async def verify(ctx: Context, number: str, code: str) -> PowerOfAttorney:
    """The document with this number and code; any wrong pair costs the same and tells the same.

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


async def _on_record(ctx: Context, caller: Caller, rpc: str, *cases: PowerOfAttorney) -> None:
    """What an officer looks at is written down before it is shown; what cannot be written is not shown."""
    if caller.kind is not Kind.OFFICER:
        return
    seen = tuple(case.id for case in cases)
    look = Look(caller.id, caller.person, caller.office, rpc, seen, ctx.clock())
    await ctx.store.record(str(uuid4()), look)
