"""Command that updates the extract of the civil registry."""

from chassis import protojson
from chassis.commands import Decision, EventCause, execute
from chassis.input_forms import normalise
from chassis.store import Duplicate
from diwan.registry.v1 import events_pb2 as registry

from identity.context import Context
from identity.model import persons
from identity.model.errors import RecordConflict
from identity.model.persons import Person, PersonRecord
from identity.store import PERSON


async def register_person(
    ctx: Context, event: EventCause[registry.PersonRegistered], message: registry.PersonRegistered
) -> None:
    """Store a person of the registry, by whom enrolments are matched.

    NationalIdInvalid, NameInvalid, RecordConflict: the record cannot be stored.
    """
    try:
        payload = protojson.loads(message.record, registry.PersonRecord)
    except protojson.Unreadable:
        raise RecordConflict(what="record") from None
    normalise(payload)
    record = PersonRecord(
        person_id=message.person_id,
        national_id=ctx.national_id(payload.national_id, event.now),
        first_name=payload.first_name,
        mother_first_name=payload.mother_first_name,
        full_name=payload.full_name,
        address=payload.address,
        governorate=payload.governorate,
        sequence=event.sequence,
        record_time=event.time,
    )
    person_key = ctx.person_key(record.national_id)

    def decide(kept: Person | None) -> Decision[Person]:
        return Decision(state=persons.register(kept, record, person_key, event.now))

    try:
        await execute(ctx.store.persons, person_key, decide, event)
    except Duplicate as duplicate:
        if duplicate.index != PERSON:
            raise
        raise RecordConflict(what="national_id") from None
