"""Commands that register officers and end their roles."""

from chassis.caller import Kind
from chassis.commands import CommandRequest, Decision, execute
from chassis.mapping import to_message
from chassis.rpc.current import Call
from chassis.store import Duplicate
from diwan.identity.v1 import identity_pb2 as pb

from identity.commands import codes
from identity.context import Context
from identity.model import officers
from identity.model.administrators import Administrators
from identity.model.errors import AdministratorExists, MobileTaken, OfficerNotFound
from identity.model.facts import RevocationReason
from identity.model.officers import ADMINISTRATOR, Officer, OfficerForm
from identity.store import ADMINISTRATORS, FIRST, MOBILE

_REFUSALS = {FIRST: AdministratorExists, MOBILE: MobileTaken}


async def register_officer(ctx: Context, call: Call, form: pb.RegisterOfficerRequest) -> pb.Officer:
    """Register an officer. An administrator registers any other person, the operator only the first administrator.

    OwnRights, StaffNumberTaken, MobileTaken, AdministratorExists, FirstMustBeAdministrator, OfficeRequired.
    """
    administrator = await _officer(ctx, call.caller.id) if call.caller.kind is Kind.OFFICER else None
    filled = OfficerForm(
        officer_id=ctx.officer_id(form.staff_number),
        staff_number=form.staff_number,
        person_key=ctx.person_key(ctx.national_id(form.national_id, call.now)),
        mobile=form.mobile,
        mobile_key=ctx.mobile_key(form.mobile),
        roles=tuple(form.roles),
        office_id=form.office_id,
    )

    def decide(kept: Officer | None) -> Decision[Officer]:
        return codes.decided(officers.register_officer(kept, filled, administrator, call.now))

    try:
        return await execute(
            ctx.store.officers, filled.officer_id, decide, call.request(form, answer=_answer)
        )
    except Duplicate as duplicate:
        refusal = _REFUSALS.get(duplicate.index)
        if refusal is None:
            raise
        raise refusal from None


async def end_roles(ctx: Context, call: Call, form: pb.EndRolesRequest) -> pb.Officer:
    """End roles of an officer: OfficerNotFound, RoleNotHeld, OwnRights, AdministratorEnded.

    The end of an administrator's role is two writes; a repeated request completes a missing second one.
    """
    officer_id = form.officer_id or ctx.officer_id(form.staff_number)
    administrator = await _officer(ctx, call.caller.id)
    officer = await _officer(ctx, officer_id)

    def record(kept: Administrators | None) -> Decision[Administrators]:
        officer.end_roles(
            form.roles, administrator, form.reason, call.now
        )  # raises what the second write would
        return Decision(state=(kept or Administrators()).end(officer_id, administrator.officer_id, call.now))

    def decide(kept: Officer | None) -> Decision[Officer]:
        return codes.decided((kept or officer).end_roles(form.roles, administrator, form.reason, call.now))

    if ADMINISTRATOR in form.roles:
        first: CommandRequest[Administrators, pb.Officer] = call.request(
            form, answer=lambda _: pb.Officer(), secret=True
        )
        await execute(ctx.store.administrators, ADMINISTRATORS, record, first)
    request: CommandRequest[Officer, pb.Officer] = call.request(form, answer=_answer)
    ended = await execute(ctx.store.officers, officer_id, decide, request)
    ctx.count_revocation(RevocationReason.ROLES_ENDED)
    return ended


async def _officer(ctx: Context, officer_id: str) -> Officer:
    loaded = await ctx.store.officers.load(officer_id)
    if loaded is None:
        raise OfficerNotFound
    return loaded.state


def _answer(officer: Officer) -> pb.Officer:
    return to_message(officer, pb.Officer)
