"""Command that registers officers."""

from chassis.caller import Kind
from chassis.commands import Decision, execute
from chassis.mapping import to_message
from chassis.rpc.current import Call
from chassis.store import Duplicate
from diwan.identity.v1 import identity_pb2 as pb

from identity.commands import codes
from identity.context import Context
from identity.model import officers
from identity.model.errors import AdministratorExists, MobileTaken
from identity.model.officers import Officer, OfficerForm
from identity.store import FIRST, MOBILE

_REFUSALS = {FIRST: AdministratorExists, MOBILE: MobileTaken}


async def register_officer(ctx: Context, call: Call, form: pb.RegisterOfficerRequest) -> pb.Officer:
    """Register an officer. An administrator registers any officer, the operator only the first administrator.

    StaffNumberTaken, MobileTaken, AdministratorExists, FirstMustBeAdministrator, OfficeRequired.
    """
    registered_by = call.caller.id if call.caller.kind is Kind.OFFICER else ""
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
        return codes.decided(officers.register_officer(kept, filled, registered_by, call.now))

    try:
        return await execute(
            ctx.store.officers, filled.officer_id, decide, call.request(form, answer=_answer)
        )
    except Duplicate as duplicate:
        refusal = _REFUSALS.get(duplicate.index)
        if refusal is None:
            raise
        raise refusal from None


def _answer(officer: Officer) -> pb.Officer:
    return to_message(officer, pb.Officer)
