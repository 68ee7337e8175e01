"""Whenever this event, then that command."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

from chassis.commands import Event
from chassis.policies import GiveUp, Policy, on
from diwan.notary.v1.events_pb2 import PowerOfAttorneyApproved
from diwan.payments.v1.events_pb2 import PaymentSettled

from notary import commands
from notary.context import Context
from notary.model.errors import NotaryError
from notary.press import DocumentError
from notary.printing import Printer


def table(ctx: Context, printer: Printer) -> list[Policy]:
    """Notary's policies."""
    return [
        on("notary.payments.payment", PaymentSettled, partial(open_review, ctx)),
        on("notary.notary.power_of_attorney", PowerOfAttorneyApproved, partial(issue_document, ctx, printer)),
    ]


async def open_review(ctx: Context, event: Event[PaymentSettled], message: PaymentSettled) -> None:
    """A paid case waits for a reviewer."""
    with _for_a_person():
        await commands.settle(ctx, event, case_id=message.subject_id, payment_id=message.payment_id)


async def issue_document(
    ctx: Context, printer: Printer, event: Event[PowerOfAttorneyApproved], message: PowerOfAttorneyApproved
) -> None:
    """An approved case is printed, signed and issued."""
    with _for_a_person():
        await commands.issue(ctx, printer, event, case_id=message.power_of_attorney_id)


@contextmanager
def _for_a_person() -> Iterator[None]:
    """What a rule refuses today it refuses tomorrow: it is parked at once, for a person to look at."""
    try:
        yield
    except NotaryError as refusal:
        raise GiveUp(refusal.reason) from None
    except DocumentError:
        raise GiveUp("DOCUMENT_UNPRINTABLE") from None
