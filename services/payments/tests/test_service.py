"""Payments as others meet it: notary's and the acquirer's events in, quotes, payments and books to be read."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from chassis.rpc import Caller, Kind
from chassis.trial import OPERATOR, Trial, eventually
from diwan.payments.v1 import acquirer_pb2 as acquirer
from diwan.payments.v1 import events_pb2 as events
from diwan.payments.v1 import payments_pb2 as pb
from google.protobuf import json_format
from google.type.money_pb2 import Money

from .desk import (
    AUDITOR,
    CHARGES,
    DISCOUNT,
    FEE,
    PAID,
    SHARE,
    TODAY,
    TOMORROW,
    Case,
    Desk,
    citizen,
    day,
    egp,
    fee,
    refusal,
    uid,
)

pytestmark = [pytest.mark.real, pytest.mark.asyncio(loop_scope="module")]

TOLD = "notary.payments.payment"


@pytest.fixture
def desk(trial: Trial) -> Desk:
    return Desk(trial)


async def test_a_power_of_attorney_goes_through_the_books(desk: Desk) -> None:
    """Due, paid with the discount, collected: each account shows its part, and all sum to zero."""
    case = await desk.due()
    charge = await desk.charge(case)
    card = json_format.Parse(charge.card, acquirer.CardContent())
    await desk.settled(charge)
    paid = await desk.came_to(case, "SETTLED")
    await desk.collect(case)

    books = await desk.books(case, "due", "settled", "earned")

    assert (card.card_token, charge.amount) == ("tok_x", egp(PAID))
    assert (paid.fee, paid.discount, paid.amount) == (egp(FEE), egp(DISCOUNT), egp(PAID))
    assert books == {
        f"citizen/{case.account}": 0,
        "deferred/notary": 0,
        "acquirer/card": PAID,
        "incentive/electronic": DISCOUNT,
        "agency/notary": SHARE - FEE,
        "platform": -SHARE,
    }
    assert sum(books.values()) == 0


async def test_each_step_is_told_with_the_number_of_the_journey(desk: Desk) -> None:
    """Due and settled, in the order of their sequence, for whoever listens."""
    case = await desk.due()
    await desk.settled(await desk.charge(case))

    settled = await told(desk, case, events.PaymentSettled)

    assert (settled.account_id, settled.amount, settled.discount) == (case.account, egp(PAID), egp(DISCOUNT))


async def told(desk: Desk, case: Case, kind: Any) -> Any:
    async def look() -> Any:
        found = await desk.trial.all_taken(TOLD, kind, 1, within_seconds=1)
        return next((one for one in found if one.subject_id == case.id), None)

    return await eventually(look)


async def test_a_refused_payment_is_told_and_may_be_tried_again(desk: Desk) -> None:
    """The reason is shown until the next try."""
    case = await desk.due()
    await desk.refused(await desk.charge(case))
    refused = await _refused(desk, case)

    second = await desk.charge(case)
    await desk.settled(second)
    paid = await desk.came_to(case, "SETTLED")

    assert refused.refusal_reason == "DECLINED"
    assert paid.refusal_reason == ""
    assert (await told(desk, case, events.PaymentRefused)).reason == "DECLINED"


async def _refused(desk: Desk, case: Case) -> pb.Payment:
    async def look() -> pb.Payment | None:
        shown = await desk.get(case)
        return shown if shown.refusal_reason else None

    return await eventually(look)


async def test_an_acquirer_that_calls_back_twice_is_booked_once(desk: Desk) -> None:
    """Whether it is the same event again, or another that says the same."""
    case = await desk.due()
    charge, event_id = await desk.charge(case), uid()

    for _ in range(3):
        await desk.settled(charge, event_id=event_id)
    await desk.settled(charge)
    await desk.came_to(case, "SETTLED")

    assert (await desk.books(case, "due", "settled"))["acquirer/card"] == PAID
    await asyncio.sleep(0.5)
    assert len(await desk.entries(payment_id=charge.payment_id)) == 2


async def test_notary_may_tell_twice_and_is_booked_once(desk: Desk) -> None:
    """A case submitted again after a correction owes one fee; collected twice it earns one."""
    case = await desk.due()
    await desk.submit(case)
    await desk.settled(await desk.charge(case))
    payment = await desk.came_to(case, "SETTLED")
    await desk.collect(case, uid())
    await desk.books(case, "due", "settled", "earned")
    once = await desk.entries(payment_id=payment.payment_id)
    await desk.collect(case, uid())
    await asyncio.sleep(0.5)

    assert await desk.entries(payment_id=payment.payment_id) == once


async def test_money_taken_for_a_refused_charge_settles_and_a_second_one_is_the_citizens(desk: Desk) -> None:
    """The first charge was said to be refused, and both turn out to be paid."""
    case = await desk.due()
    first = await desk.charge(case)
    await desk.refused(first)
    await _refused(desk, case)
    second = await desk.charge(case)

    await desk.settled(first)
    await desk.came_to(case, "SETTLED")
    await desk.settled(second)
    books = await desk.books(case, "due", "settled", "overpaid")

    assert books["acquirer/card"] == 2 * PAID
    assert books[f"citizen/{case.account}"] == -PAID
    assert sum(books.values()) == 0


@pytest.mark.parametrize(
    ("amount", "reason"),
    [
        (egp(PAID - 1), "AMOUNT_MISMATCH"),
        (Money(currency_code="USD", units=108), "MONEY_INVALID"),
        (Money(currency_code="EGP", units=108, nanos=1), "MONEY_INVALID"),
    ],
)
async def test_another_amount_than_asked_for_is_parked(desk: Desk, amount: Money, reason: str) -> None:
    """A person must look; the payment stays as it was."""
    case = await desk.due()
    charge = await desk.charge(case)

    event_id = await desk.settled(charge, amount)

    assert await desk.parked(event_id) == reason
    assert pb.PaymentState.Name((await desk.get(case)).state) == "PAYMENT_STATE_PROCESSING"


async def test_a_charge_that_we_never_asked_for_is_parked(desk: Desk) -> None:
    """Of a payment that exists, but not of this charge."""
    case = await desk.due()
    charge = await desk.charge(case)
    charge.charge_id = uid()

    assert await desk.parked(await desk.settled(charge)) == "CHARGE_UNKNOWN"


async def test_a_case_waits_for_its_fee_to_be_published(desk: Desk) -> None:
    """The event is tried again, and finds the fee."""
    case = Case(f"trial.{uid().replace('-', '')}")
    await desk.submit(case)
    await asyncio.sleep(0.3)

    await desk.tariff(fee(case.service))

    assert (await desk.came_to(case, "DUE")).fee == egp(FEE)


async def test_the_fee_is_that_of_the_day_of_submission(desk: Desk) -> None:
    """A later one changes nothing for who has submitted."""
    case = Case(f"trial.{uid().replace('-', '')}")
    await desk.tariff(
        fee(case.service, valid_until=day(TOMORROW)),
        fee(case.service, valid_from=day(TOMORROW), amount=egp(20_000)),
    )
    later = Case(case.service, time=case.time + timedelta(days=1))

    assert (await desk.get(await desk.due(case))).fee == egp(FEE)
    assert (await desk.get(await desk.due(later))).fee == egp(20_000)


async def test_a_quote_says_fee_discount_and_amount(desk: Desk) -> None:
    """For card and cash, by the fee of today in Cairo, or of the day that is asked for."""
    service = await desk.service()
    asked = pb.GetQuoteRequest(
        service=service, channel="portal", governorate="21", means=pb.PAYMENT_MEANS_CARD
    )

    card = await desk.api.GetQuote(asked)
    asked.means = pb.PAYMENT_MEANS_CASH
    cash = await desk.api.GetQuote(asked)
    asked.date.CopyFrom(day(TODAY - timedelta(days=1)))

    assert (card.fee, card.discount, card.amount) == (egp(FEE), egp(DISCOUNT), egp(PAID))
    assert (cash.fee, cash.discount, cash.amount) == (egp(FEE), egp(0), egp(FEE))
    assert card.tariff_id
    assert await refusal(desk.api.GetQuote(asked)) == ("NOT_FOUND", "FEE_NOT_PUBLISHED")


CLERK = Caller(kind=Kind.OFFICER, id="o-1", roles=frozenset({"clerk"}))
MANAGER = Caller(kind=Kind.OFFICER, id="o-2", roles=frozenset({"tariff_manager"}))


async def test_a_tariff_manager_publishes_and_a_clerk_does_not(desk: Desk) -> None:
    """Access is what the proto says."""
    service = f"trial.{uid().replace('-', '')}"

    assert await refusal(desk.tariff(fee(service), caller=CLERK)) == ("PERMISSION_DENIED", "ACCESS_DENIED")
    assert (await desk.tariff(fee(service), caller=MANAGER)).tariff_id


NEVER = "trial.never"
PAST = day(TODAY - timedelta(days=1))


@pytest.mark.parametrize(
    ("wrong", "code", "reason"),
    [
        ([], "INVALID_ARGUMENT", "VALIDATION"),
        ([fee("X")], "INVALID_ARGUMENT", "VALIDATION"),
        ([fee(NEVER, governorate="1")], "INVALID_ARGUMENT", "VALIDATION"),
        ([fee(NEVER, amount=Money(currency_code="USD", units=1))], "INVALID_ARGUMENT", "MONEY_INVALID"),
        ([fee(NEVER, amount=Money(currency_code="EGP", nanos=1))], "INVALID_ARGUMENT", "MONEY_INVALID"),
        ([fee(NEVER, amount=Money(currency_code="EGP", units=2**60))], "INVALID_ARGUMENT", "MONEY_INVALID"),
        ([fee(NEVER, amount=egp(0))], "INVALID_ARGUMENT", "FEE_INVALID"),
        ([fee(NEVER, electronic_discount=egp(FEE))], "INVALID_ARGUMENT", "FEE_INVALID"),
        ([fee(NEVER, platform_share=egp(FEE + 1))], "INVALID_ARGUMENT", "FEE_INVALID"),
        ([fee(NEVER, valid_until=day(TODAY))], "INVALID_ARGUMENT", "FEE_INVALID"),
        ([fee(NEVER, valid_from=pb.Fee().valid_from)], "INVALID_ARGUMENT", "DATE_INVALID"),
        ([fee(NEVER, valid_from=PAST)], "FAILED_PRECONDITION", "TARIFF_IN_PAST"),
        ([fee(NEVER), fee(NEVER, amount=egp(5_000))], "FAILED_PRECONDITION", "TARIFF_OVERLAP"),
    ],
)
async def test_a_wrong_tariff_is_refused_by_name_and_whole(
    desk: Desk, wrong: list[pb.Fee], code: str, reason: str
) -> None:
    """One row a wrong tariff; nothing of it is published."""
    assert await refusal(desk.tariff(*wrong)) == (code, reason)
    asked = pb.GetQuoteRequest(service=NEVER, channel="portal", governorate="21", means=1)
    assert await refusal(desk.api.GetQuote(asked)) == ("NOT_FOUND", "FEE_NOT_PUBLISHED")


async def test_what_cannot_be_paid_is_refused_by_name(desk: Desk) -> None:
    """Another's, none at all, one under way, one paid."""
    case = await desk.due()

    assert await refusal(desk.pay(case, account=uid())) == ("NOT_FOUND", "PAYMENT_NOT_FOUND")
    assert await refusal(desk.pay(Case("x"))) == ("NOT_FOUND", "PAYMENT_NOT_FOUND")
    charge = await desk.charge(case)
    assert await refusal(desk.pay(case)) == ("FAILED_PRECONDITION", "PAYMENT_IN_PROGRESS")
    await desk.settled(charge)
    await desk.came_to(case, "SETTLED")
    assert await refusal(desk.pay(case)) == ("FAILED_PRECONDITION", "ALREADY_SETTLED")


async def test_a_fee_is_not_tried_for_ever(desk: Desk) -> None:
    """Ten refused charges are enough."""
    case = await desk.due()
    for _ in range(10):
        await desk.refused(await desk.charge(case))
        await _refused(desk, case)

    assert await refusal(desk.pay(case)) == ("RESOURCE_EXHAUSTED", "TOO_MANY_ATTEMPTS")


GOOD = pb.CreatePaymentRequest(
    request_id=uid(), subject_id=uid(), means=pb.PAYMENT_MEANS_CARD, card_token="tok_x"
)


@pytest.mark.parametrize(
    "change",
    [
        {"request_id": ""},
        {"request_id": "00000000-0000-1000-8000-000000000000"},
        {"subject_id": "x"},
        {"means": pb.PAYMENT_MEANS_CASH},
        {"means": pb.PAYMENT_MEANS_UNSPECIFIED},
        {"card_token": "4111111111111111"},
    ],
    ids="-".join,
)
async def test_a_wrong_payment_is_refused_without_repeating_it(desk: Desk, change: dict[str, Any]) -> None:
    """The rule of its proto, by field; a card number shows nowhere in the answer."""
    wrong = pb.CreatePaymentRequest()
    wrong.CopyFrom(GOOD)
    for name, value in change.items():
        setattr(wrong, name, value)
    bearer = desk.trial.bearer(citizen(uid()))

    assert await refusal(desk.api.CreatePayment(wrong, metadata=bearer)) == ("INVALID_ARGUMENT", "VALIDATION")


async def test_who_may_see_a_payment(desk: Desk) -> None:
    """Its citizen and an auditor, by either id; everybody else is told that there is none."""
    case = await desk.due()
    shown = await desk.get(case)
    by_id, by_subject = (
        pb.GetPaymentRequest(payment_id=shown.payment_id),
        pb.GetPaymentRequest(subject_id=case.id),
    )
    own, other = desk.trial.bearer(citizen(case.account)), desk.trial.bearer(citizen(uid()))

    assert await desk.api.GetPayment(by_id, metadata=own) == shown
    assert await desk.api.GetPayment(by_subject, metadata=own) == shown
    assert await refusal(desk.api.GetPayment(by_id, metadata=other)) == ("NOT_FOUND", "PAYMENT_NOT_FOUND")
    assert await refusal(desk.api.GetPayment(by_id)) == ("UNAUTHENTICATED", "TOKEN_MISSING")


async def test_the_same_payment_request_is_answered_again_and_charged_once(desk: Desk) -> None:
    """Twice, and then 20 at once; with another content it is refused."""
    case, request_id = await desk.due(), uid()

    first = await desk.pay(case, request_id)
    again = await desk.pay(case, request_id)
    crowd = await asyncio.gather(*(desk.pay(case, request_id) for _ in range(20)))
    charges = await charged(desk, case)

    assert all(answer == first for answer in [again, *crowd])
    assert len(charges) == 1
    other = desk.pay(case, request_id, token="tok_other")
    assert await refusal(other) == ("ALREADY_EXISTS", "REQUEST_ID_REUSED")


async def charged(desk: Desk, case: Case) -> list[acquirer.RequestCharge]:
    """Every charge that is ordered for a case within two seconds."""
    found = await desk.trial.all_taken(CHARGES, acquirer.RequestCharge, 20, within_seconds=2)
    payment = (await desk.get(case)).payment_id
    return [charge for charge in found if charge.payment_id == payment]


async def test_of_20_payments_at_once_one_charges(desk: Desk) -> None:
    """The others are told that one is under way."""
    case = await desk.due()

    answers = await asyncio.gather(*(desk.pay(case) for _ in range(20)), return_exceptions=True)
    charges = await charged(desk, case)

    assert sum(isinstance(answer, pb.Payment) for answer in answers) == 1
    assert len(charges) == 1


async def test_the_same_tariff_request_is_answered_again_and_published_once(desk: Desk) -> None:
    """Twice, and then 20 at once; with another content it is refused."""
    service, request_id = f"trial.{uid().replace('-', '')}", uid()

    first = await desk.tariff(fee(service), request_id=request_id)
    crowd = await asyncio.gather(*(desk.tariff(fee(service), request_id=request_id) for _ in range(20)))

    assert all(answer == first for answer in crowd)
    other = desk.tariff(fee(service, channel="portal"), request_id=request_id)
    assert await refusal(other) == ("ALREADY_EXISTS", "REQUEST_ID_REUSED")


async def test_20_first_tariff_requests_at_once_have_one_answer(desk: Desk) -> None:
    """None of them came before the others."""
    service, request_id = f"trial.{uid().replace('-', '')}", uid()

    crowd = await asyncio.gather(*(desk.tariff(fee(service), request_id=request_id) for _ in range(20)))

    assert len({answer.tariff_id for answer in crowd}) == 1


async def test_the_journal_is_paged_oldest_first(desk: Desk) -> None:
    """A token leads to the next page of the same question, and of no other; accounts and payments filter."""
    case = await desk.due()
    await desk.settled(await desk.charge(case))
    await desk.books(case, "due", "settled")
    account, who = f"citizen/{case.account}", desk.trial.bearer(OPERATOR)

    pages, tokens = [], [""]
    while tokens[-1] or not pages:
        asked = pb.ListLedgerEntriesRequest(account=account, page_size=1, page_token=tokens[-1])
        page = await desk.api.ListLedgerEntries(asked, metadata=who)
        pages.append([entry.kind for entry in page.entries])
        tokens.append(page.next_page_token)

    assert pages == [["due"], ["settled"]]
    other = pb.ListLedgerEntriesRequest(account="platform", page_token=tokens[1])
    assert await refusal(desk.api.ListLedgerEntries(other, metadata=who)) == (
        "INVALID_ARGUMENT",
        "PAGE_TOKEN_INVALID",
    )
    assert await refusal(desk.api.ListLedgerEntries(other, metadata=desk.trial.bearer(CLERK))) == (
        "PERMISSION_DENIED",
        "ACCESS_DENIED",
    )


async def test_the_whole_journal_sums_to_zero(desk: Desk) -> None:
    """Whatever the tests before did: for whoever reads all entries."""
    entries, tokens = [], [""]
    while tokens[-1] or not entries:
        asked = pb.ListLedgerEntriesRequest(page_size=500, page_token=tokens[-1])
        page = await desk.api.ListLedgerEntries(asked, metadata=desk.trial.bearer(AUDITOR))
        entries += list(page.entries)
        tokens.append(page.next_page_token)

    legs = [leg.amount for entry in entries for leg in entry.legs]
    assert legs
    assert sum(money.units for money in legs) * 100 + sum(money.nanos for money in legs) // 10_000_000 == 0
