"""Whenever this event, then that command: one table."""

from chassis.commands import Event
from chassis.policies import GiveUp, Policy, on
from diwan.registry.v1.events_pb2 import PersonRegistered

from identity.commands import register_person
from identity.context import Context
from identity.model.errors import IdentityError


def table(ctx: Context) -> list[Policy]:
    """Identity's policies."""

    async def keep_person(event: Event[PersonRegistered], message: PersonRegistered) -> None:
        try:
            await register_person(ctx, event, message)
        except IdentityError as refusal:
            # No later try mends a record; whoever sent it does, and replays.
            raise GiveUp(refusal.reason) from None

    return [on("identity.registry.person", PersonRegistered, keep_person)]
