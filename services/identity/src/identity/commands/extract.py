"""The matching extract of the civil registry."""

from chassis import protojson
from chassis.commands import Decision, EventCause, execute
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
    """Keep a person of the registry, to match enrolments with.

    NationalIdInvalid, NameInvalid, RecordConflict: the record cannot be kept.
    """
    try:
        told = protojson.loads(message.record, registry.PersonRecord)
    except protojson.Unreadable:
        raise RecordConflict(what="record") from None
    record = PersonRecord(
        person_id=message.person_id,
        national_id=ctx.national_id(told.national_id, event.now),
        first_name=told.first_name,
        mother_first_name=told.mother_first_name,
        full_name=told.full_name,
        address=told.address,
        governorate=told.governorate,
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
