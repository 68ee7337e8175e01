"""Payments' RPCs: their answers, their refusals, and their idempotency."""

import asyncio
from datetime import timedelta
from typing import Any

import grpc
import pytest
from chassis.caller import Caller, Kind
from diwan.payments.v1 import acquirer_pb2 as acquirer
from diwan.payments.v1 import payments_pb2 as pb
from diwan.payments.v1 import payments_pb2_grpc
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


async def test_a_quote_has_fee_discount_and_amount(desk: Desk) -> None:
    """It depends on the means, and on the date of the request, today in Cairo by default."""
    service = await desk.create_service()
    request = pb.GetQuoteRequest(
        service=service, channel="portal", governorate="21", means=pb.PAYMENT_MEANS_CARD
    )

    card = await desk.api.GetQuote(request)
    request.means = pb.PAYMENT_MEANS_CASH
    cash = await desk.api.GetQuote(request)
    request.date.CopyFrom(day(today() - timedelta(days=1)))

    assert (card.fee, card.discount, card.amount) == (egp(FEE), egp(DISCOUNT), egp(PAID))
    assert (cash.fee, cash.discount, cash.amount) == (egp(FEE), egp(0), egp(FEE))
    assert card.tariff_id
    assert await refusal(desk.api.GetQuote(request)) == ("NOT_FOUND", "FEE_NOT_PUBLISHED")


CLERK = Caller(kind=Kind.OFFICER, id="o-1", roles=frozenset({"clerk"}))
MANAGER = Caller(kind=Kind.OFFICER, id="o-2", roles=frozenset({"tariff_manager"}))


async def test_the_operator_publishes_a_tariff_and_a_clerk_does_not(desk: Desk) -> None:
    """The access option of the proto decides."""
    service = f"trial.{uid().replace('-', '')}"

    assert await refusal(desk.publish_tariff(fee(service), caller=CLERK)) == (
        "PERMISSION_DENIED",
        "ACCESS_DENIED",
    )
    assert (await desk.publish_tariff(fee(service))).tariff_id


async def test_a_tariff_manager_publishes_nothing_while_identity_does_not_answer(desk: Desk) -> None:
    """Identity verifies the officer first. It is away in these tests; with it, tests/guards publish as an officer."""
    service = f"trial.{uid().replace('-', '')}"
    request = pb.PublishTariffRequest(request_id=uid(), fees=[fee(service)])
    port = next(each.port for each in desk.trial.components if each.name == "api")  # type: ignore[attr-defined]
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:  # without retries
        call = payments_pb2_grpc.PaymentServiceStub(channel).PublishTariff
        refused = await refusal(call(request, metadata=desk.trial.bearer(MANAGER), timeout=30))

    assert refused == ("UNAVAILABLE", "UPSTREAM_UNAVAILABLE")
    quote = pb.GetQuoteRequest(
        service=service, channel="portal", governorate="01", means=pb.PAYMENT_MEANS_CARD
    )
    assert await refusal(desk.api.GetQuote(quote)) == ("NOT_FOUND", "FEE_NOT_PUBLISHED")


UNPUBLISHED = "trial.never"
YESTERDAY = timedelta(days=-1)


@pytest.mark.parametrize(
    ("wrong", "code", "reason"),
    [
        ([], "INVALID_ARGUMENT", "VALIDATION"),
        ([{"service": "X"}], "INVALID_ARGUMENT", "VALIDATION"),
        ([{"governorate": "1"}], "INVALID_ARGUMENT", "VALIDATION"),
        ([{"amount": Money(currency_code="USD", units=1)}], "INVALID_ARGUMENT", "MONEY_INVALID"),
        ([{"amount": Money(currency_code="EGP", nanos=1)}], "INVALID_ARGUMENT", "MONEY_INVALID"),
        *(
            ([{name: Money(currency_code="EGP", units=units)}], "INVALID_ARGUMENT", "VALIDATION")
            for name in ("amount", "electronic_discount", "platform_share")
            for units in (2**60, 10**12, 1_000_001, -1)
        ),
        (
            [{"amount": Money(currency_code="EGP", units=1_000_000, nanos=10_000_000)}],
            "INVALID_ARGUMENT",
            "FEE_INVALID",
        ),
        ([{"governorate": "99"}], "INVALID_ARGUMENT", "VALIDATION"),
        ([{"governorate": "05"}], "INVALID_ARGUMENT", "VALIDATION"),
        ([{"valid_until": timedelta(days=365 * 12)}], "INVALID_ARGUMENT", "FEE_INVALID"),
        ([{"amount": egp(0)}], "INVALID_ARGUMENT", "FEE_INVALID"),
        ([{"electronic_discount": egp(FEE)}], "INVALID_ARGUMENT", "FEE_INVALID"),
        ([{"platform_share": egp(FEE + 1)}], "INVALID_ARGUMENT", "FEE_INVALID"),
        ([{"valid_until": timedelta()}], "INVALID_ARGUMENT", "FEE_INVALID"),
        ([{"valid_from": pb.Fee().valid_from}], "INVALID_ARGUMENT", "DATE_INVALID"),
        ([{"valid_from": YESTERDAY}], "FAILED_PRECONDITION", "TARIFF_IN_PAST"),
        ([{}, {"amount": egp(5_000)}], "FAILED_PRECONDITION", "TARIFF_OVERLAP"),
    ],
)
async def test_an_invalid_tariff_is_refused_as_a_whole(
    desk: Desk, wrong: list[dict[str, Any]], code: str, reason: str
) -> None:
    """Each row is an invalid tariff with its code and reason; none of its fees is published."""
    fees = [fee(**{"service": UNPUBLISHED} | each) for each in wrong]

    assert await refusal(desk.publish_tariff(*fees)) == (code, reason)
    request = pb.GetQuoteRequest(service=UNPUBLISHED, channel="portal", governorate="21", means=1)
    assert await refusal(desk.api.GetQuote(request)) == ("NOT_FOUND", "FEE_NOT_PUBLISHED")


async def test_a_payment_that_is_not_due_to_the_caller_is_refused(desk: Desk) -> None:
    """Of another citizen, of an unknown case, in progress, and settled."""
    case = await desk.create_due()

    assert await refusal(desk.pay(case, account=uid())) == ("NOT_FOUND", "PAYMENT_NOT_FOUND")
    assert await refusal(desk.pay(Case("x"))) == ("NOT_FOUND", "PAYMENT_NOT_FOUND")
    charge = await desk.request_charge(case)
    assert await refusal(desk.pay(case)) == ("FAILED_PRECONDITION", "PAYMENT_IN_PROGRESS")
    await desk.publish_settled(charge)
    await desk.await_state(case, "SETTLED")
    assert await refusal(desk.pay(case)) == ("FAILED_PRECONDITION", "ALREADY_SETTLED")


async def test_attempts_to_pay_a_fee_are_limited(desk: Desk) -> None:
    """The limit is ten refused charges."""
    case = await desk.create_due()
    for _ in range(10):
        await desk.publish_refused(await desk.request_charge(case))
        await desk.await_refusal(case)

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
async def test_an_invalid_payment_request_is_refused(desk: Desk, change: dict[str, Any]) -> None:
    """Each row breaks one validation rule of the proto; a card number is not accepted as a token."""
    wrong = pb.CreatePaymentRequest()
    wrong.CopyFrom(GOOD)
    for name, value in change.items():
        setattr(wrong, name, value)
    bearer = desk.trial.bearer(citizen(uid()))

    assert await refusal(desk.api.CreatePayment(wrong, metadata=bearer)) == ("INVALID_ARGUMENT", "VALIDATION")


async def test_a_payment_is_visible_to_its_citizen_and_auditors(desk: Desk) -> None:
    """It can be read by either id; for others the answer is that there is none."""
    case = await desk.create_due()
    payment = await desk.get(case)
    by_id, by_subject = (
        pb.GetPaymentRequest(payment_id=payment.payment_id),
        pb.GetPaymentRequest(subject_id=case.id),
    )
    own, other = desk.trial.bearer(citizen(case.account)), desk.trial.bearer(citizen(uid()))

    assert await desk.api.GetPayment(by_id, metadata=own) == payment
    assert await desk.api.GetPayment(by_subject, metadata=own) == payment
    assert await refusal(desk.api.GetPayment(by_id, metadata=other)) == ("NOT_FOUND", "PAYMENT_NOT_FOUND")
    assert await refusal(desk.api.GetPayment(by_id)) == ("UNAUTHENTICATED", "TOKEN_MISSING")


async def test_a_repeated_payment_request_returns_the_first_answer_and_charges_once(desk: Desk) -> None:
    """It is repeated once, then 20 times concurrently; other content with its id is refused."""
    case, request_id = await desk.create_due(), uid()

    first = await desk.pay(case, request_id)
    again = await desk.pay(case, request_id)
    concurrent = await asyncio.gather(*(desk.pay(case, request_id) for _ in range(20)))
    charges = await charged(desk, case)

    assert all(answer == first for answer in [again, *concurrent])
    assert len(charges) == 1
    other = desk.pay(case, request_id, token="tok_other")
    assert await refusal(other) == ("ALREADY_EXISTS", "REQUEST_ID_REUSED")


async def charged(desk: Desk, case: Case) -> list[acquirer.RequestCharge]:
    """Take all charge commands of a case, until two seconds after the first."""
    payment = (await desk.get(case)).payment_id
    first = await desk.trial.taken(CHARGES, acquirer.RequestCharge, lambda one: one.payment_id == payment)
    more = await desk.trial.all_taken(CHARGES, acquirer.RequestCharge, 20, within_seconds=2)
    return [first, *(charge for charge in more if charge.payment_id == payment)]


async def test_only_one_of_20_concurrent_payments_is_charged(desk: Desk) -> None:
    """The others are refused."""
    case = await desk.create_due()

    answers = await asyncio.gather(*(desk.pay(case) for _ in range(20)), return_exceptions=True)
    charges = await charged(desk, case)

    assert sum(isinstance(answer, pb.Payment) for answer in answers) == 1
    assert len(charges) == 1


async def test_a_repeated_tariff_request_returns_the_first_answer(desk: Desk) -> None:
    """It is repeated 20 times concurrently; other content with its id is refused."""
    service, request_id = f"trial.{uid().replace('-', '')}", uid()

    first = await desk.publish_tariff(fee(service), request_id=request_id)
    answers = await asyncio.gather(
        *(desk.publish_tariff(fee(service), request_id=request_id) for _ in range(20))
    )

    assert all(answer == first for answer in answers)
    other = desk.publish_tariff(fee(service, channel="portal"), request_id=request_id)
    assert await refusal(other) == ("ALREADY_EXISTS", "REQUEST_ID_REUSED")


async def test_20_concurrent_tariff_requests_have_one_answer(desk: Desk) -> None:
    """None of them was answered before the others were sent."""
    service, request_id = f"trial.{uid().replace('-', '')}", uid()

    answers = await asyncio.gather(
        *(desk.publish_tariff(fee(service), request_id=request_id) for _ in range(20))
    )

    assert len({answer.tariff_id for answer in answers}) == 1


async def test_the_journal_is_paged_oldest_first(desk: Desk) -> None:
    """A page token is valid only for the query that returned it, and for callers with access."""
    case = await desk.create_due()
    await desk.publish_settled(await desk.request_charge(case))
    await desk.await_balances(case, "due", "settled")
    account, metadata = f"citizen/{case.account}", desk.trial.bearer(OPERATOR)

    pages, tokens = [], [""]
    while tokens[-1] or not pages:
        request = pb.ListLedgerEntriesRequest(account=account, page_size=1, page_token=tokens[-1])
        page = await desk.api.ListLedgerEntries(request, metadata=metadata)
        pages.append([entry.kind for entry in page.entries])
        tokens.append(page.next_page_token)

    assert pages == [["due"], ["settled"]]
    other = pb.ListLedgerEntriesRequest(account="platform", page_token=tokens[1])
    assert await refusal(desk.api.ListLedgerEntries(other, metadata=metadata)) == (
        "INVALID_ARGUMENT",
        "PAGE_TOKEN_INVALID",
    )
    assert await refusal(desk.api.ListLedgerEntries(other, metadata=desk.trial.bearer(CLERK))) == (
        "PERMISSION_DENIED",
        "ACCESS_DENIED",
    )


async def test_the_journal_is_filtered_by_request_number(desk: Desk) -> None:
    """Operators know a case by its number, in any spelling; an unknown number has no entries."""
    case = Case(await desk.create_service(), number=f"PA-2026-{uid()[:8].upper()}")
    await desk.create_due(case)
    await desk.await_balances(case, "due")

    (entry,) = await desk.entries(request_number=case.number)
    again = await desk.entries(request_number=case.number, payment_id=entry.payment_id)

    assert (entry.kind, again) == ("due", [entry])
    assert await desk.entries(request_number=case.number, payment_id=uid()) == []
    assert await desk.entries(request_number=f" {case.number.lower().replace('-', '')}") == [entry]
    assert await desk.entries(payment_id=entry.payment_id.upper()) == [entry]
    assert await desk.entries(request_number="PA-2026-ZZZZZZZZ") == []


async def test_the_whole_journal_sums_to_zero(desk: Desk) -> None:
    """All entries of the earlier tests are included."""
    entries, tokens = [], [""]
    while tokens[-1] or not entries:
        request = pb.ListLedgerEntriesRequest(page_size=500, page_token=tokens[-1])
        page = await desk.api.ListLedgerEntries(request, metadata=desk.trial.bearer(AUDITOR))
        entries += list(page.entries)
        tokens.append(page.next_page_token)

    legs = [leg.amount for entry in entries for leg in entry.legs]
    assert legs
    assert sum(money.units for money in legs) * 100 + sum(money.nanos for money in legs) // 10_000_000 == 0
