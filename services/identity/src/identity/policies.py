"""Identity's policies: a table from events to commands."""

from functools import partial

from chassis.messaging.policies import Policy, non_retryable, on
from diwan.registry.v1.events_pb2 import PersonRegistered

from identity.commands import register_person
from identity.context import Context
from identity.errors import NON_RETRYABLE

PERSONS = "identity.registry.person"


def table(ctx: Context) -> list[Policy]:
    """Identity's policies."""
    keep_person = partial(register_person, ctx)
    return non_retryable(
        NON_RETRYABLE, [on(PERSONS, PersonRegistered, keep_person, name="keep_person.PersonRegistered")]
    )
