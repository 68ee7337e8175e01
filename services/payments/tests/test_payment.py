from collections.abc import Callable
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
    ChargeContradicted,
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


def due_payment() -> Payment:
    return make_due("p-1", "s-1", "a-1", request_number="DW-1", fee=FEE, now=NOW).state


def payment_with(*charges: str) -> Payment:
    """Return a payment with these charges; all but the last are refused."""
    payment = due_payment()
    for charge in charges:
        if payment.state is PaymentState.PROCESSING:
            payment = payment.refuse(payment.charges[-1].charge_id, "DECLINED").state
        payment = payment.pay("a-1", Means.CARD, "tok_x", charge, NOW, inquire_after=INQUIRE_AFTER).state
    return payment


def test_a_fee_becomes_due_as_published() -> None:
    """The fee and its parts are fixed when the payment is created."""
    due = make_due("p-1", "s-1", "a-1", request_number="DW-1", fee=FEE, now=NOW)
    payment, facts = due.state, due.facts

    assert payment.state is PaymentState.DUE
    assert (payment.fee, payment.electronic_discount, payment.platform_share) == (12_000, 1_200, 800)
    assert facts == (Due("p-1", "s-1", "a-1", 12_000),)


def test_paying_requests_a_charge_of_the_fee_less_the_discount() -> None:
    """The card token is in the fact and is not kept in the payment."""
    outcome = due_payment().pay("a-1", Means.CARD, "tok_x", "c-1", NOW, inquire_after=INQUIRE_AFTER)
    payment, facts = outcome.state, outcome.facts

    assert facts == (ChargeRequested("c-1", "p-1", PAID, CardContent("tok_x"), NOW + timedelta(minutes=8)),)
    assert payment.state is PaymentState.PROCESSING
    assert "tok_x" not in repr(payment)


@pytest.mark.parametrize(
    ("payment", "account", "error"),
    [
        (due_payment(), "a-2", PaymentNotFound),
        (payment_with("c-1"), "a-1", PaymentInProgress),
        (payment_with("c-1").settle("c-1", PAID, "r", NOW).state, "a-1", AlreadySettled),
        (payment_with("c-1").settle("c-1", PAID, "r", NOW).state, "a-2", PaymentNotFound),
        (
            payment_with(*(f"c-{n}" for n in range(MAX_ATTEMPTS)))
            .refuse(f"c-{MAX_ATTEMPTS - 1}", "DECLINED")
            .state,
            "a-1",
            TooManyAttempts,
        ),
    ],
)
def test_a_payment_that_is_not_due_to_the_account_is_refused(
    payment: Payment, account: str, error: type[PaymentsError]
) -> None:
    """Of another account, in progress, settled, and with too many attempts."""
    with pytest.raises(error):
        payment.pay(account, Means.CARD, "tok_x", "c-new", NOW, inquire_after=INQUIRE_AFTER)


def test_a_charge_request_expires_before_its_first_inquiry() -> None:
    """A charge that the acquirer does not know at the inquiry can therefore not be made later."""
    outcome = due_payment().pay("a-1", Means.CARD, "tok_x", "c-1", NOW, inquire_after=INQUIRE_AFTER)
    payment, (requested,) = outcome.state, outcome.facts
    assert isinstance(requested, ChargeRequested)

    assert payment.inquire(requested.expire_time, INQUIRE_AFTER) == Outcome(payment)


def test_a_charge_without_a_result_is_inquired_about_once_per_interval() -> None:
    """There is no inquiry before the end of the interval, and none twice at the same time."""
    outcome = payment_with("c-1").inquire(NOW + INQUIRE_AFTER, INQUIRE_AFTER)
    payment, inquired = outcome.state, outcome.facts
    soon = payment.inquire(NOW + INQUIRE_AFTER, INQUIRE_AFTER)
    later = payment.inquire(NOW + 2 * INQUIRE_AFTER, INQUIRE_AFTER).facts

    assert inquired == later == (ChargeInquired("c-1", "p-1"),)
    assert soon == Outcome(payment)


@pytest.mark.parametrize(
    "payment",
    [
        due_payment(),
        payment_with("c-1").settle("c-1", PAID, "r", NOW).state,
        payment_with("c-1").refuse("c-1", "DECLINED").state,
    ],
)
def test_a_payment_without_an_open_charge_has_no_inquiry(payment: Payment) -> None:
    """Without a charge, with a settled one, and with a refused one."""
    assert payment.last_request_time is None
    assert payment.inquire(NOW + INQUIRE_AFTER, INQUIRE_AFTER) == Outcome(payment)


def test_an_open_charge_of_a_settled_payment_is_inquired_about() -> None:
    """Money taken for it belongs to the citizen."""
    payment = payment_with("c-1", "c-2").settle("c-1", PAID, "r", NOW).state

    assert payment.inquire(NOW + INQUIRE_AFTER, INQUIRE_AFTER).facts == (ChargeInquired("c-2", "p-1"),)


SETTLED = Settled("p-1", "s-1", "a-1", 12_000, 1_200, PAID)
AGAIN = Overpaid("p-1", "s-1", "a-1", "2", PAID)
REFUSED = Refused("p-1", "s-1", "a-1", "DECLINED")


@pytest.mark.parametrize(
    ("charges", "events", "state", "facts"),
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
def test_the_acquirers_events_determine_the_state(
    charges: str, events: list[tuple[str, str]], state: str, facts: list[Fact]
) -> None:
    """Each row has the charges (all but the last refused), the events, the resulting state, and the facts."""
    payment, published = payment_with(*charges), []

    for kind, charge in events:
        outcome = apply(payment, kind, charge)
        payment, published = outcome.state, [*published, *outcome.facts]

    assert payment.state is PaymentState(state)
    assert published == facts


def apply(payment: Payment, kind: str, charge: str) -> Outcome[Payment, Fact]:
    if kind == "accepted":
        return payment.accept(charge, "ref")
    if kind == "settled":
        return payment.settle(charge, PAID, "ref", NOW)
    return payment.refuse(charge, "DECLINED")


def test_a_settlement_of_another_amount_is_refused() -> None:
    """A person must investigate; the payment is unchanged."""
    with pytest.raises(AmountMismatch):
        payment_with("c-1").settle("c-1", PAID - 1, "ref", NOW)


@pytest.mark.parametrize(
    ("contradict", "error"),
    [
        (lambda payment: payment.settle("c-1", PAID - 1, "ref", NOW), AmountMismatch),
        (lambda payment: payment.settle("c-1", PAID, "other", NOW), ChargeContradicted),
        (lambda payment: payment.refuse("c-1", "DECLINED"), ChargeContradicted),
    ],
)
def test_a_report_that_contradicts_the_settlement_is_refused(
    contradict: Callable[[Payment], object], error: type[PaymentsError]
) -> None:
    """Another amount, another reference, a refusal; a repetition and one without a reference are none."""
    payment = payment_with("c-1").settle("c-1", PAID, "ref", NOW).state

    with pytest.raises(error):
        contradict(payment)
    for reference in ("ref", ""):
        assert payment.settle("c-1", PAID, reference, NOW) == Outcome(payment)


def test_a_report_without_a_reference_keeps_the_known_one() -> None:
    """A settlement under another reference contradicts it in any order."""
    accepted = payment_with("c-1").accept("c-1", "ref").state.settle("c-1", PAID, "", NOW).state
    unnamed = payment_with("c-1").settle("c-1", PAID, "", NOW).state
    named = unnamed.settle("c-1", PAID, "ref", NOW)

    assert named.facts == ()
    for payment in (accepted, named.state):
        assert payment.charge is not None
        assert payment.charge.reference == "ref"
        with pytest.raises(ChargeContradicted):
            payment.settle("c-1", PAID, "other", NOW)


@pytest.mark.parametrize("kind", ["accepted", "settled", "refused"])
def test_an_event_of_an_unknown_charge_is_refused(kind: str) -> None:
    """All kinds of events are tried."""
    with pytest.raises(ChargeUnknown):
        apply(payment_with("c-1"), kind, "c-other")


def test_a_refusal_reason_is_kept_while_the_fee_is_due() -> None:
    """A new charge or a settlement clears it."""
    refused = payment_with("c-1").refuse("c-1", "DECLINED").state

    assert refused.refusal_reason == "DECLINED"
    assert (
        refused.pay("a-1", Means.CARD, "tok_x", "c-2", NOW, inquire_after=INQUIRE_AFTER).state.refusal_reason
        == ""
    )
    assert refused.settle("c-1", PAID, "ref", NOW).state.refusal_reason == ""


def entries_of(fact: Fact) -> list[journal.Entry]:
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
def test_the_journal_balances_after_any_sequence_of_events(
    steps: list[tuple[str, int]],
) -> None:
    """The entries sum to zero, and the acquirer owes exactly the settled amounts."""
    outcome = make_due("p-1", "s-1", "a-1", request_number="DW-1", fee=FEE, now=NOW)
    payment = outcome.state
    entries = [entry for fact in outcome.facts for entry in entries_of(fact)]
    for number, (kind, which) in enumerate(steps):
        try:
            if kind == "pay":
                outcome = payment.pay(
                    "a-1", Means.CARD, "tok_x", f"c-{number}", NOW, inquire_after=INQUIRE_AFTER
                )
            else:
                charge = payment.charges[which % len(payment.charges)].charge_id if payment.charges else ""
                outcome = apply(payment, kind, charge)
        except PaymentsError:
            continue
        payment = outcome.state
        entries += [entry for fact in outcome.facts for entry in entries_of(fact)]

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
def test_an_unbalanced_entry_cannot_be_created(legs: tuple[journal.Leg, ...]) -> None:
    """The class itself refuses it, so also an entry that is read from a document."""
    with pytest.raises(EntryUnbalanced):
        journal.Entry("e", "due", "p-1", NOW, legs)


@given(st.integers(1, 10**12), st.data())
def test_every_entry_balances_without_zero_legs(fee: int, data: st.DataObject) -> None:
    """Any fee, discount and share of a valid tariff are tried."""
    discount, share = data.draw(st.integers(0, fee - 1)), data.draw(st.integers(0, fee))

    for entry in (
        journal.due("e", "p", "a", agency="notary", fee=fee, now=NOW),
        journal.settled("e", "p", "a", fee=fee, discount=discount, now=NOW),
        journal.earned("e", "p", "notary", fee=fee, platform_share=share, now=NOW),
        journal.overpaid("e", "p", "a", amount=fee - discount, now=NOW),
    ):
        assert sum(leg.amount for leg in entry.legs) == 0
        assert all(leg.amount for leg in entry.legs)
