"""Queries of payments. A citizen can read only their own payments; others are reported as not found."""

from dataclasses import dataclass
from datetime import date

from chassis.caller import Caller, Kind
from chassis.pages import Page

from payments.commands import payment_id_of
from payments.context import Context
from payments.model.errors import PaymentNotFound
from payments.model.journal import Entry
from payments.model.payment import Payment
from payments.model.tariff import Fee, Means


@dataclass(frozen=True)
class Quoted:
    """A published fee, and the discount for the means of payment, in piastres."""

    fee: Fee
    discount: int


async def quote(
    ctx: Context, *, service: str, channel: str, governorate: str, means: Means, day: date
) -> Quoted:
    """The published fee for a service on a day in Cairo; FeeNotPublished if there is none."""
    schedule = await ctx.store.schedule()
    fee = schedule.fee(service, channel=channel, governorate=governorate, day=day)
    return Quoted(fee, fee.discount(means))


async def get(ctx: Context, caller: Caller, *, payment_id: str = "", subject_id: str = "") -> Payment:
    """One payment that the caller may read, by either id; PaymentNotFound otherwise."""
    payment = await ctx.store.payment(payment_id or payment_id_of(subject_id))
    if payment is None or (caller.kind is Kind.CITIZEN and payment.account_id != caller.id):
        raise PaymentNotFound
    return payment


async def entries(
    ctx: Context, *, payment_id: str, request_number: str, account: str, page_size: int, page_token: str
) -> Page[Entry]:
    """A page of the journal, oldest first.

    Raises:
        PageTokenInvalid: the token was issued for another query.
    """
    payment_ids = [payment_id] if payment_id else None
    if request_number:
        of_case = await ctx.store.payments_of(request_number)
        payment_ids = [each for each in of_case if payment_id in ("", each)]
    return await ctx.store.oldest(
        payment_ids=payment_ids, account=account, page_size=page_size, page_token=page_token
    )
