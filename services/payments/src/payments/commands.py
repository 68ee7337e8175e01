"""Use cases: load, decide, save; one function for each command."""

from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial
from uuid import UUID, uuid5

from chassis.commands import Cause, CommandRequest, Decision, cause_id, execute
from chassis.domain import Outcome
from chassis.times import cairo_day
from diwan.payments.v1 import payments_pb2 as pb

from payments import facts
from payments.context import Context
from payments.model import journal
from payments.model import payment as model
from payments.model.errors import AmountMismatch, ChargeContradicted, ChargeUnknown, PaymentNotFound
from payments.model.journal import Entry
from payments.model.payment import Overpaid, Payment
from payments.model.tariff import Fee, Means, Schedule
from payments.store import SCHEDULE

MAX_INQUIRIES = 100
_NAMESPACE = UUID("b7a1d1c2-52f6-5c0e-9d0b-6f2f3a9c4e11")

Change = Callable[[Payment], Outcome[Payment, model.Fact]]


def payment_id_of(subject_id: str) -> str:
    """Id of the one payment for a subject, such as a power of attorney; derived from the subject's id."""
    return str(uuid5(_NAMESPACE, f"payment/{subject_id}"))


def entry_id_of(payment_id: str, kind: str, charge_id: str = "") -> str:
    """Id of the one entry of a kind for a payment, or for each charge where several may be booked."""
    return str(uuid5(_NAMESPACE, f"entry/{payment_id}/{kind}/{charge_id}"))


async def publish_tariff(
    ctx: Context, request: CommandRequest[Schedule, pb.Tariff], fees: Sequence[Fee]
) -> pb.Tariff:
    """Publish fees, all of them or none; FeeInvalid, TariffInPast, TariffOverlap, TariffFull."""
    tariff_id, today = request.new_id("tariff"), cairo_day(request.now)

    def decide(state: Schedule | None) -> Decision[Schedule]:
        return Decision(state=(state or Schedule()).publish(fees, tariff_id, today))

    return await execute(ctx.store.schedules, SCHEDULE, decide, request)


async def make_due(
    ctx: Context,
    cause: Cause,
    *,
    subject_id: str,
    account_id: str,
    number: str,
    service: str,
    channel: str,
    governorate: str,
    time: datetime,
) -> None:
    """Make the fee due that is published for the day in Cairo; FeeNotPublished if there is none yet."""
    payment_id = payment_id_of(subject_id)
    schedule = await ctx.store.schedule()
    day = cairo_day(time)
    created: list[Payment] = []

    def decide(state: Payment | None) -> Decision[Payment] | None:
        if state is not None:
            return None  # a repeated submission or delivery: the fee is due once
        fee = schedule.fee(service, channel=channel, governorate=governorate, day=day)
        due = model.make_due(
            payment_id, subject_id, account_id, request_number=number, fee=fee, now=cause.now
        )
        created[:] = [due.state]
        return Decision(state=due.state, facts=facts.messages(due.facts))

    await execute(ctx.store.payments, payment_id, decide, cause)
    for payment in created:
        ctx.metrics.moved(None, payment)


async def pay(
    ctx: Context,
    request: CommandRequest[Payment, pb.Payment],
    *,
    subject_id: str,
    means: Means,
    card_token: str,
) -> pb.Payment:
    """Request a charge for a due fee; PaymentNotFound, AlreadySettled, PaymentInProgress, TooManyAttempts."""
    moves: list[tuple[Payment, Payment]] = []

    def decide(state: Payment | None) -> Decision[Payment]:
        if state is None:
            raise PaymentNotFound
        charge_id = request.new_id("charge")
        tried = state.pay(
            request.caller.id, means, card_token, charge_id, request.now, inquire_after=ctx.inquire_after
        )
        moves[:] = [(state, tried.state)]
        return Decision(state=tried.state, facts=facts.messages(tried.facts))

    answer = await execute(ctx.store.payments, payment_id_of(subject_id), decide, request)
    _count(ctx, moves)
    return answer


async def inquire(ctx: Context) -> None:
    """Request an inquiry for each charge without an event for `ctx.inquire_after`.

    The oldest requests first, MAX_INQUIRIES in one run; an inquiry counts as a new request.
    """
    now = ctx.clock()
    for payment in await ctx.store.due_for_inquiry(now - ctx.inquire_after, MAX_INQUIRIES):
        assert payment.last_request_time is not None  # the query's condition
        cause = Cause(
            # Two processes that both assume the lease inquire once.
            id=cause_id("timer", "inquire", payment.payment_id, payment.last_request_time.isoformat()),
            now=now,
        )
        await execute(ctx.store.payments, payment.payment_id, partial(_inquire, ctx, now), cause)


def _inquire(ctx: Context, now: datetime, state: Payment | None) -> Decision[Payment] | None:
    if state is None:
        return None
    inquired = state.inquire(now, ctx.inquire_after)
    return Decision(state=inquired.state, facts=facts.messages(inquired.facts)) if inquired.facts else None


async def accept(ctx: Context, cause: Cause, payment_id: str, *, charge_id: str, reference: str) -> None:
    """Record that the acquirer accepted a charge; its result follows."""
    await _apply(ctx, cause, payment_id, lambda payment: payment.accept(charge_id, reference))


async def settle(
    ctx: Context, cause: Cause, payment_id: str, *, charge_id: str, amount: int, reference: str
) -> None:
    """Record that a charge was settled; AmountMismatch, ChargeContradicted, ChargeUnknown."""
    await _apply(
        ctx, cause, payment_id, lambda payment: payment.settle(charge_id, amount, reference, cause.now)
    )


async def refuse(ctx: Context, cause: Cause, payment_id: str, *, charge_id: str, reason: str) -> None:
    """Record that a charge was refused; ChargeContradicted, ChargeUnknown."""
    await _apply(ctx, cause, payment_id, lambda payment: payment.refuse(charge_id, reason))


async def _apply(ctx: Context, cause: Cause, payment_id: str, change: Change) -> None:
    """Apply an event of a charge to its payment; PaymentNotFound if there is none."""
    moves: list[tuple[Payment, Payment]] = []
    emitted: list[model.Fact] = []

    def decide(state: Payment | None) -> Decision[Payment]:
        if state is None:
            raise PaymentNotFound
        changed = change(state)
        moves[:], emitted[:] = [(state, changed.state)], changed.facts
        return Decision(state=changed.state, facts=facts.messages(changed.facts))

    try:
        await execute(ctx.store.payments, payment_id, decide, cause)
    except (AmountMismatch, ChargeContradicted, ChargeUnknown) as error:
        ctx.metrics.contradicted(error.reason)
        raise
    _count(ctx, moves)
    if any(isinstance(fact, Overpaid) for fact in emitted):
        ctx.metrics.overpaid()


async def book_due(ctx: Context, cause: Cause, payment_id: str, *, account_id: str, fee: int) -> None:
    """Book that a fee is due."""
    payment = await _existing(ctx, payment_id)
    entry_id = entry_id_of(payment_id, "due")
    await _book(
        ctx,
        cause,
        journal.due(entry_id, payment_id, account_id, agency=payment.agency, fee=fee, now=cause.now),
    )


async def book_settled(
    ctx: Context, cause: Cause, payment_id: str, *, account_id: str, fee: int, discount: int
) -> None:
    """Book that a fee was paid."""
    entry_id = entry_id_of(payment_id, "settled")
    await _book(
        ctx,
        cause,
        journal.settled(entry_id, payment_id, account_id, fee=fee, discount=discount, now=cause.now),
    )


async def book_overpaid(
    ctx: Context, cause: Cause, payment_id: str, *, account_id: str, charge_id: str, amount: int
) -> None:
    """Book the amount of a second settled charge."""
    entry_id = entry_id_of(payment_id, "overpaid", charge_id)
    await _book(ctx, cause, journal.overpaid(entry_id, payment_id, account_id, amount=amount, now=cause.now))


async def book_earned(ctx: Context, cause: Cause, subject_id: str) -> None:
    """Book that the agency earned the fee of a subject; PaymentNotFound."""
    payment = await _existing(ctx, payment_id_of(subject_id))
    entry_id = entry_id_of(payment.payment_id, "earned")
    await _book(
        ctx,
        cause,
        journal.earned(
            entry_id,
            payment.payment_id,
            payment.agency,
            fee=payment.fee,
            platform_share=payment.platform_share,
            now=cause.now,
        ),
    )


async def _book(ctx: Context, cause: Cause, entry: Entry) -> None:
    """Add an entry to the journal; an existing entry is never changed."""

    def decide(state: Entry | None) -> Decision[Entry] | None:
        return Decision(state=entry) if state is None else None

    await execute(ctx.store.entries, entry.entry_id, decide, cause)


async def _existing(ctx: Context, payment_id: str) -> Payment:
    payment = await ctx.store.payment(payment_id)
    if payment is None:
        raise PaymentNotFound
    return payment


def _count(ctx: Context, moves: Sequence[tuple[Payment, Payment]]) -> None:
    for before, after in moves:
        ctx.metrics.moved(before, after)
