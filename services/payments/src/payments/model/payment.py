"""A payment: one fee that is due, and the charges that were tried for it.

News of charges comes at least once and not always in order. That money was taken is the strongest news: it
settles the payment even after a refusal of the same charge was heard, and when another charge has settled it
already it is kept as overpaid, for the citizen to get back.
"""

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import Enum

from chassis.domain import Outcome

from payments.model.errors import (
    AlreadySettled,
    AmountMismatch,
    ChargeUnknown,
    PaymentInProgress,
    PaymentNotFound,
    TooManyAttempts,
)
from payments.model.tariff import Fee, Means

MOST_ATTEMPTS = 10
TO_ASK = 0.8
"""The share of our patience in which a charge may be asked for; the rest is for the last try to be answered."""


class PaymentState(Enum):
    """Where a payment stands."""

    DUE = "due"
    PROCESSING = "processing"
    SETTLED = "settled"


class ChargeState(Enum):
    """Where a charge stands."""

    REQUESTED = "requested"
    ACCEPTED = "accepted"
    REFUSED = "refused"
    SETTLED = "settled"

    @property
    def under_way(self) -> bool:
        """Whether the acquirer may still answer."""
        return self in (ChargeState.REQUESTED, ChargeState.ACCEPTED)


@dataclass(frozen=True)
class Charge:
    """One try to take the money. `amount` is piastres, `reason` why it was refused."""

    charge_id: str
    means: Means
    amount: int
    request_time: datetime
    state: ChargeState = ChargeState.REQUESTED
    reference: str = ""
    reason: str = ""


@dataclass(frozen=True)
class Due:
    """Fact: a fee is due."""

    payment_id: str
    subject_id: str
    account_id: str
    fee: int


@dataclass(frozen=True)
class CardContent:
    """The sealed part of a charge: the acquirer's token of the card."""

    card_token: str = field(repr=False)


@dataclass(frozen=True)
class ChargeRequested:
    """Fact: the connector is asked to charge the card."""

    charge_id: str
    payment_id: str
    amount: int
    card: CardContent
    expire_time: datetime


@dataclass(frozen=True)
class ChargeInquired:
    """Fact: the connector is asked what became of a charge."""

    charge_id: str
    payment_id: str


@dataclass(frozen=True)
class Settled:
    """Fact: the fee was paid."""

    payment_id: str
    subject_id: str
    account_id: str
    fee: int
    discount: int
    amount: int


@dataclass(frozen=True)
class Refused:
    """Fact: a charge was refused; the fee is due still."""

    payment_id: str
    subject_id: str
    account_id: str
    reason: str


@dataclass(frozen=True)
class Overpaid:
    """Fact: money was taken a second time; it is the citizen's."""

    payment_id: str
    subject_id: str
    account_id: str
    charge_id: str
    amount: int


Fact = Due | ChargeRequested | ChargeInquired | Settled | Refused | Overpaid


@dataclass(frozen=True)
class Payment:
    """A fee that is due. Amounts are piastres; fee and parts are those published when it became due.

    `ask_time` is when the acquirer was last asked for a charge or of one, while any is under way; else None.
    """

    payment_id: str
    subject_id: str
    account_id: str
    request_number: str
    service: str
    tariff_id: str
    agency: str
    fee: int
    electronic_discount: int
    platform_share: int
    due_time: datetime
    charges: tuple[Charge, ...] = ()
    settled_by: str = ""
    settle_time: datetime | None = None
    ask_time: datetime | None = None

    @property
    def state(self) -> PaymentState:
        """Settled once money was taken, processing while the acquirer may answer, else due."""
        if self.settled_by:
            return PaymentState.SETTLED
        if any(charge.state.under_way for charge in self.charges):
            return PaymentState.PROCESSING
        return PaymentState.DUE

    @property
    def charge(self) -> Charge | None:
        """The charge that settled it, else the last one tried, if any."""
        if not self.charges:
            return None
        settling = [charge for charge in self.charges if charge.charge_id == self.settled_by]
        return settling[0] if settling else self.charges[-1]

    @property
    def refusal_reason(self) -> str:
        """Why the last try was refused, while the fee is due."""
        last = self.charge
        return last.reason if last is not None and self.state is PaymentState.DUE else ""

    def pay(
        self,
        account_id: str,
        means: Means,
        card_token: str,
        charge_id: str,
        now: datetime,
        *,
        patience: timedelta,
    ) -> Outcome["Payment", Fact]:
        """Try to pay; only who owes it may, one try at a time, and not for ever.

        `patience` is how long we wait for news before we inquire.
        """
        if account_id != self.account_id:
            raise PaymentNotFound
        if self.state is PaymentState.SETTLED:
            raise AlreadySettled
        if self.state is PaymentState.PROCESSING:
            raise PaymentInProgress
        if len(self.charges) >= MOST_ATTEMPTS:
            raise TooManyAttempts(limit=str(MOST_ATTEMPTS))
        amount = self.fee - (self.electronic_discount if means.electronic else 0)
        charge = Charge(charge_id, means, amount, now)
        requested = ChargeRequested(
            charge_id,
            self.payment_id,
            amount,
            CardContent(card_token),
            expire_time=now + TO_ASK * patience,
        )
        return Outcome(replace(self, charges=(*self.charges, charge), ask_time=now), (requested,))

    def inquire(self, now: datetime, patience: timedelta) -> Outcome["Payment", Fact]:
        """Ask what became of each charge under way, when nothing was heard for so long; else nothing."""
        open_charges = [charge for charge in self.charges if charge.state.under_way]
        if not open_charges or (self.ask_time is not None and self.ask_time > now - patience):
            return Outcome(self)
        inquired = (ChargeInquired(charge.charge_id, self.payment_id) for charge in open_charges)
        return Outcome(replace(self, ask_time=now), tuple(inquired))

    def accept(self, charge_id: str, reference: str) -> Outcome["Payment", Fact]:
        """The acquirer took the charge and will tell what comes of it."""
        charge = self._find(charge_id)
        if charge.state is not ChargeState.REQUESTED:
            return Outcome(self)
        return Outcome(self._with(replace(charge, state=ChargeState.ACCEPTED, reference=reference)))

    def settle(self, charge_id: str, amount: int, reference: str, now: datetime) -> Outcome["Payment", Fact]:
        """The money was taken. AmountMismatch if it is not what was asked for."""
        charge = self._find(charge_id)
        if amount != charge.amount:
            raise AmountMismatch
        if charge.state is ChargeState.SETTLED:
            return Outcome(self)
        after = self._with(replace(charge, state=ChargeState.SETTLED, reference=reference, reason=""))
        if self.settled_by:
            overpaid = Overpaid(self.payment_id, self.subject_id, self.account_id, charge_id, amount)
            return Outcome(after, (overpaid,))
        settled = Settled(
            self.payment_id, self.subject_id, self.account_id, self.fee, self.fee - amount, amount
        )
        return Outcome(replace(after, settled_by=charge_id, settle_time=now), (settled,))

    def refuse(self, charge_id: str, reason: str) -> Outcome["Payment", Fact]:
        """The charge was refused. No news once it was settled; nothing is told once the fee is paid."""
        charge = self._find(charge_id)
        if not charge.state.under_way:
            return Outcome(self)
        after = self._with(replace(charge, state=ChargeState.REFUSED, reason=reason))
        if self.settled_by:
            return Outcome(after)
        return Outcome(after, (Refused(self.payment_id, self.subject_id, self.account_id, reason),))

    def _find(self, charge_id: str) -> Charge:
        for charge in self.charges:
            if charge.charge_id == charge_id:
                return charge
        raise ChargeUnknown

    def _with(self, changed: Charge) -> "Payment":
        charges = tuple(
            changed if charge.charge_id == changed.charge_id else charge for charge in self.charges
        )
        is_open = any(charge.state.under_way for charge in charges)
        return replace(self, charges=charges, ask_time=self.ask_time if is_open else None)


def make_due(
    payment_id: str, subject_id: str, account_id: str, *, request_number: str, fee: Fee, now: datetime
) -> Outcome[Payment, Fact]:
    """A fee becomes due as published."""
    payment = Payment(
        payment_id=payment_id,
        subject_id=subject_id,
        account_id=account_id,
        request_number=request_number,
        service=fee.service,
        tariff_id=fee.tariff_id,
        agency=fee.agency,
        fee=fee.amount,
        electronic_discount=fee.electronic_discount,
        platform_share=fee.platform_share,
        due_time=now,
    )
    return Outcome(payment, (Due(payment_id, subject_id, account_id, fee.amount),))
