"""Payments' RPCs: what they answer, what they refuse by name, and that each happens once."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from chassis.caller import Caller, Kind
from diwan.payments.v1 import acquirer_pb2 as acquirer
from diwan.payments.v1 import payments_pb2 as pb
from google.type.money_pb2 import Money
from testkit.service import OPERATOR, Trial

from .desk import (
    AUDITOR,
    CHARGES,
    DISCOUNT,
    FEE,
    PAID,
    Case,
    Desk,
    citizen,
    day,
    egp,
    fee,
    refusal,
    today,
    uid,
)

pytestmark = [pytest.mark.real, pytest.mark.asyncio(loop_scope="module")]


@pytest.fixture
def desk(trial: Trial) -> Desk:
    return Desk(trial)


async def test_a_quote_says_fee_discount_and_amount(desk: Desk) -> None:
    """For card and cash, by the fee of today in Cairo, or of the day that is asked for."""
    service = await desk.service()
    asked = pb.GetQuoteRequest(
        service=service, channel="portal", governorate="21", means=pb.PAYMENT_MEANS_CARD
    )

    card = await desk.api.GetQuote(asked)
    asked.means = pb.PAYMENT_MEANS_CASH
    cash = await desk.api.GetQuote(asked)
    asked.date.CopyFrom(day(today() - timedelta(days=1)))

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
YESTERDAY = timedelta(days=-1)


@pytest.mark.parametrize(
    ("wrong", "code", "reason"),
    [
        ([], "INVALID_ARGUMENT", "VALIDATION"),
        ([{"service": "X"}], "INVALID_ARGUMENT", "VALIDATION"),
        ([{"governorate": "1"}], "INVALID_ARGUMENT", "VALIDATION"),
        ([{"amount": Money(currency_code="USD", units=1)}], "INVALID_ARGUMENT", "MONEY_INVALID"),
        ([{"amount": Money(currency_code="EGP", nanos=1)}], "INVALID_ARGUMENT", "MONEY_INVALID"),
        ([{"amount": Money(currency_code="EGP", units=2**60)}], "INVALID_ARGUMENT", "MONEY_INVALID"),
        ([{"amount": egp(0)}], "INVALID_ARGUMENT", "FEE_INVALID"),
        ([{"electronic_discount": egp(FEE)}], "INVALID_ARGUMENT", "FEE_INVALID"),
        ([{"platform_share": egp(FEE + 1)}], "INVALID_ARGUMENT", "FEE_INVALID"),
        ([{"valid_until": timedelta()}], "INVALID_ARGUMENT", "FEE_INVALID"),
        ([{"valid_from": pb.Fee().valid_from}], "INVALID_ARGUMENT", "DATE_INVALID"),
        ([{"valid_from": YESTERDAY}], "FAILED_PRECONDITION", "TARIFF_IN_PAST"),
        ([{}, {"amount": egp(5_000)}], "FAILED_PRECONDITION", "TARIFF_OVERLAP"),
    ],
)
async def test_a_wrong_tariff_is_refused_by_name_and_whole(
    desk: Desk, wrong: list[dict[str, Any]], code: str, reason: str
) -> None:
    """One row a wrong tariff; nothing of it is published."""
    fees = [fee(**{"service": NEVER} | each) for each in wrong]

    assert await refusal(desk.tariff(*fees)) == (code, reason)
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
        await desk.due_again(case)

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
    """Every charge that is ordered for a case, until two seconds after the first."""
    payment = (await desk.get(case)).payment_id
    first = await desk.trial.taken(CHARGES, acquirer.RequestCharge, lambda one: one.payment_id == payment)
    more = await desk.trial.all_taken(CHARGES, acquirer.RequestCharge, 20, within_seconds=2)
    return [first, *(charge for charge in more if charge.payment_id == payment)]


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


async def test_books_are_read_by_the_number_of_a_case(desk: Desk) -> None:
    """Operators know a case by its number; one that nobody has has no entries."""
    case = Case(await desk.service(), number=f"PA-{uid()[:8]}")
    await desk.due(case)
    await desk.books(case, "due")

    (entry,) = await desk.entries(request_number=case.number)
    again = await desk.entries(request_number=case.number, payment_id=entry.payment_id)

    assert (entry.kind, again) == ("due", [entry])
    assert await desk.entries(request_number=case.number, payment_id=uid()) == []
    assert await desk.entries(request_number="PA-nobody") == []


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
