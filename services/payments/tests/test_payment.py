from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from chassis.domain import Outcome
from hypothesis import given
from hypothesis import strategies as st
from payments.model import journal
from payments.model.errors import (
    AlreadySettled,
    AmountMismatch,
    ChargeUnknown,
    EntryUnbalanced,
    PaymentInProgress,
    PaymentNotFound,
    PaymentsError,
    TooManyAttempts,
)
from payments.model.payment import (
    MAX_ATTEMPTS,
    CardContent,
    ChargeInquired,
    ChargeRequested,
    Due,
    Fact,
    Overpaid,
    Payment,
    PaymentState,
    Refused,
    Settled,
    make_due,
)
from payments.model.tariff import Fee, Means

NOW = datetime(2026, 3, 1, 9, tzinfo=UTC)
INQUIRE_AFTER = timedelta(minutes=10)
FEE = Fee("notary.poa", "*", "*", "notary", date(2026, 1, 1), None, 12_000, 1_200, 800, "t-1")
PAID = 10_800


def owed() -> Payment:
    return make_due("p-1", "s-1", "a-1", request_number="DW-1", fee=FEE, now=NOW).state


def tried(*charges: str) -> Payment:
    """A payment with these charges, each but the last refused."""
    payment = owed()
    for charge in charges:
        if payment.state is PaymentState.PROCESSING:
            payment = payment.refuse(payment.charges[-1].charge_id, "DECLINED").state
        payment = payment.pay("a-1", Means.CARD, "tok_x", charge, NOW, inquire_after=INQUIRE_AFTER).state
    return payment


def test_a_fee_becomes_due_as_published() -> None:
    """The fee and its parts are fixed at that moment."""
    due = make_due("p-1", "s-1", "a-1", request_number="DW-1", fee=FEE, now=NOW)
    payment, facts = due.state, due.facts

    assert payment.state is PaymentState.DUE
    assert (payment.fee, payment.electronic_discount, payment.platform_share) == (12_000, 1_200, 800)
    assert facts == (Due("p-1", "s-1", "a-1", 12_000),)


def test_paying_asks_for_the_fee_less_the_discount() -> None:
    """The card token goes on in the fact and is not kept."""
    outcome = owed().pay("a-1", Means.CARD, "tok_x", "c-1", NOW, inquire_after=INQUIRE_AFTER)
    payment, facts = outcome.state, outcome.facts

    assert facts == (ChargeRequested("c-1", "p-1", PAID, CardContent("tok_x"), NOW + timedelta(minutes=8)),)
    assert payment.state is PaymentState.PROCESSING
    assert "tok_x" not in repr(payment)


@pytest.mark.parametrize(
    ("payment", "account", "error"),
    [
        (owed(), "a-2", PaymentNotFound),
        (tried("c-1"), "a-1", PaymentInProgress),
        (tried("c-1").settle("c-1", PAID, "r", NOW).state, "a-1", AlreadySettled),
        (tried("c-1").settle("c-1", PAID, "r", NOW).state, "a-2", PaymentNotFound),
        (
            tried(*(f"c-{n}" for n in range(MAX_ATTEMPTS))).refuse(f"c-{MAX_ATTEMPTS - 1}", "DECLINED").state,
            "a-1",
            TooManyAttempts,
        ),
    ],
)
def test_what_cannot_be_paid(payment: Payment, account: str, error: type[PaymentsError]) -> None:
    """Another's fee, one under way, one paid, one tried too often."""
    with pytest.raises(error):
        payment.pay(account, Means.CARD, "tok_x", "c-new", NOW, inquire_after=INQUIRE_AFTER)


def test_a_charge_is_asked_for_only_before_it_is_inquired_of() -> None:
    """What the acquirer does not know by then was never taken, and never will be."""
    outcome = owed().pay("a-1", Means.CARD, "tok_x", "c-1", NOW, inquire_after=INQUIRE_AFTER)
    payment, (asked,) = outcome.state, outcome.facts
    assert isinstance(asked, ChargeRequested)

    assert payment.inquire(asked.expire_time, INQUIRE_AFTER) == Outcome(payment)


def test_silence_is_inquired_of_once_in_each_period() -> None:
    """Not before, and not again at the same moment."""
    outcome = tried("c-1").inquire(NOW + INQUIRE_AFTER, INQUIRE_AFTER)
    payment, inquired = outcome.state, outcome.facts
    soon = payment.inquire(NOW + INQUIRE_AFTER, INQUIRE_AFTER)
    later = payment.inquire(NOW + 2 * INQUIRE_AFTER, INQUIRE_AFTER).facts

    assert inquired == later == (ChargeInquired("c-1", "p-1"),)
    assert soon == Outcome(payment)


@pytest.mark.parametrize(
    "payment",
    [owed(), tried("c-1").settle("c-1", PAID, "r", NOW).state, tried("c-1").refuse("c-1", "DECLINED").state],
)
def test_nothing_is_inquired_of_when_nothing_is_open(payment: Payment) -> None:
    """A fee that nobody tried to pay, one that is paid, a charge that was refused: none is looked for."""
    assert payment.last_request_time is None
    assert payment.inquire(NOW + INQUIRE_AFTER, INQUIRE_AFTER) == Outcome(payment)


def test_an_open_charge_of_a_paid_fee_is_inquired_of_too() -> None:
    """Its money, if it was taken, is the citizen's."""
    payment = tried("c-1", "c-2").settle("c-1", PAID, "r", NOW).state

    assert payment.inquire(NOW + INQUIRE_AFTER, INQUIRE_AFTER).facts == (ChargeInquired("c-2", "p-1"),)


SETTLED = Settled("p-1", "s-1", "a-1", 12_000, 1_200, PAID)
AGAIN = Overpaid("p-1", "s-1", "a-1", "2", PAID)
REFUSED = Refused("p-1", "s-1", "a-1", "DECLINED")


@pytest.mark.parametrize(
    ("charges", "news", "state", "facts"),
    [
        ("1", [("accepted", "1")], "processing", []),
        ("1", [("accepted", "1"), ("accepted", "1")], "processing", []),
        ("1", [("settled", "1")], "settled", [SETTLED]),
        ("1", [("accepted", "1"), ("settled", "1")], "settled", [SETTLED]),
        ("1", [("settled", "1"), ("accepted", "1")], "settled", [SETTLED]),
        ("1", [("settled", "1"), ("settled", "1")], "settled", [SETTLED]),
        ("1", [("refused", "1")], "due", [REFUSED]),
        ("1", [("refused", "1"), ("refused", "1")], "due", [REFUSED]),
        ("1", [("refused", "1"), ("accepted", "1")], "due", [REFUSED]),
        ("1", [("settled", "1"), ("refused", "1")], "settled", [SETTLED]),
        ("1", [("refused", "1"), ("settled", "1")], "settled", [REFUSED, SETTLED]),
        ("12", [("settled", "1")], "settled", [SETTLED]),
        ("12", [("settled", "1"), ("refused", "2")], "settled", [SETTLED]),
        (
            "12",
            [("settled", "1"), ("settled", "2")],
            "settled",
            [SETTLED, AGAIN],
        ),
        (
            "12",
            [("settled", "2"), ("settled", "1")],
            "settled",
            [SETTLED, replace(AGAIN, charge_id="1")],
        ),
        ("12", [("refused", "1")], "processing", []),
    ],
)
def test_what_the_acquirer_says_makes_the_state(
    charges: str, news: list[tuple[str, str]], state: str, facts: list[Fact]
) -> None:
    """Each row: charges tried (all but the last refused), what is heard, where it stands, what is told."""
    payment, told = tried(*charges), []

    for kind, charge in news:
        heard = hear(payment, kind, charge)
        payment, told = heard.state, [*told, *heard.facts]

    assert payment.state is PaymentState(state)
    assert told == facts


def hear(payment: Payment, kind: str, charge: str) -> Outcome[Payment, Fact]:
    if kind == "accepted":
        return payment.accept(charge, "ref")
    if kind == "settled":
        return payment.settle(charge, PAID, "ref", NOW)
    return payment.refuse(charge, "DECLINED")


def test_another_amount_than_asked_for_is_refused() -> None:
    """A person must look; the payment stays as it was."""
    with pytest.raises(AmountMismatch):
        tried("c-1").settle("c-1", PAID - 1, "ref", NOW)


@pytest.mark.parametrize("kind", ["accepted", "settled", "refused"])
def test_a_charge_that_we_never_asked_for_is_refused(kind: str) -> None:
    """Whatever is said of it."""
    with pytest.raises(ChargeUnknown):
        hear(tried("c-1"), kind, "c-other")


def test_the_reason_of_a_refusal_is_shown_while_the_fee_is_due() -> None:
    """A new try, or success, ends it."""
    refused = tried("c-1").refuse("c-1", "DECLINED").state

    assert refused.refusal_reason == "DECLINED"
    assert (
        refused.pay("a-1", Means.CARD, "tok_x", "c-2", NOW, inquire_after=INQUIRE_AFTER).state.refusal_reason
        == ""
    )
    assert refused.settle("c-1", PAID, "ref", NOW).state.refusal_reason == ""


def booked(fact: Fact) -> list[journal.Entry]:
    match fact:
        case Due():
            return [journal.due("e", "p-1", "a-1", agency="notary", fee=fact.fee, now=NOW)]
        case Settled():
            return [
                journal.settled("e", "p-1", "a-1", fee=fact.fee, discount=fact.discount, now=NOW),
                journal.earned(
                    "e", "p-1", "notary", fee=fact.fee, platform_share=FEE.platform_share, now=NOW
                ),
            ]
        case Overpaid():
            return [journal.overpaid("e", "p-1", "a-1", amount=fact.amount, now=NOW)]
    return []


STEPS = st.lists(
    st.sampled_from(["pay", "accepted", "settled", "refused"]).flatmap(
        lambda kind: st.tuples(st.just(kind), st.integers(0, 12))
    ),
    max_size=60,
)


@given(STEPS)
def test_the_journal_sums_to_zero_and_follows_the_money_under_any_sequence(
    steps: list[tuple[str, int]],
) -> None:
    """Whatever is tried and heard: entries balance, and the acquirer owes exactly what it took."""
    outcome = make_due("p-1", "s-1", "a-1", request_number="DW-1", fee=FEE, now=NOW)
    payment = outcome.state
    entries = [entry for fact in outcome.facts for entry in booked(fact)]
    for number, (kind, which) in enumerate(steps):
        try:
            if kind == "pay":
                outcome = payment.pay(
                    "a-1", Means.CARD, "tok_x", f"c-{number}", NOW, inquire_after=INQUIRE_AFTER
                )
            else:
                charge = payment.charges[which % len(payment.charges)].charge_id if payment.charges else ""
                outcome = hear(payment, kind, charge)
        except PaymentsError:
            continue
        payment = outcome.state
        entries += [entry for fact in outcome.facts for entry in booked(fact)]

    balances: dict[str, int] = {}
    for leg in (leg for entry in entries for leg in entry.legs):
        balances[leg.account] = balances.get(leg.account, 0) + leg.amount
    taken = sum(charge.amount for charge in payment.charges if charge.state.value == "settled")
    assert sum(balances.values()) == 0
    assert balances.get(journal.ACQUIRER, 0) == taken
    if payment.state is PaymentState.SETTLED:
        assert balances["citizen/a-1"] == PAID - taken
        assert balances["deferred/notary"] == 0
        assert (balances["agency/notary"], balances["platform"]) == (-11_200, -800)
    else:
        assert balances["citizen/a-1"] == 12_000
    assert sum(isinstance(entry, journal.Entry) and entry.kind == "settled" for entry in entries) <= 1
    assert len(payment.charges) <= MAX_ATTEMPTS


@pytest.mark.parametrize(
    "legs",
    [
        (),
        (journal.Leg("platform", 1),),
        (journal.Leg("platform", 1), journal.Leg("acquirer/card", -2)),
        (journal.Leg("platform", 0), journal.Leg("acquirer/card", 0)),
    ],
)
def test_an_entry_that_does_not_balance_cannot_be_made(legs: tuple[journal.Leg, ...]) -> None:
    """Nowhere in the service, nor from a document."""
    with pytest.raises(EntryUnbalanced):
        journal.Entry("e", "due", "p-1", NOW, legs)


@given(st.integers(1, 10**12), st.data())
def test_every_entry_balances_and_leaves_out_empty_legs(fee: int, data: st.DataObject) -> None:
    """For any fee, discount and share that a tariff may hold."""
    discount, share = data.draw(st.integers(0, fee - 1)), data.draw(st.integers(0, fee))

    for entry in (
        journal.due("e", "p", "a", agency="notary", fee=fee, now=NOW),
        journal.settled("e", "p", "a", fee=fee, discount=discount, now=NOW),
        journal.earned("e", "p", "notary", fee=fee, platform_share=share, now=NOW),
        journal.overpaid("e", "p", "a", amount=fee - discount, now=NOW),
    ):
        assert sum(leg.amount for leg in entry.legs) == 0
        assert all(leg.amount for leg in entry.legs)
