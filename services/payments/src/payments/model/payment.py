"""A payment: one fee that is due, and the charges for it.

Events of charges arrive at least once and not always in order. A settlement takes precedence: it settles the payment
even after a refusal of the same charge, and a later refusal contradicts it. If another charge has settled the payment
before, the amount is overpaid and owed to the citizen.
"""

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import Enum

from chassis.domain import Outcome

from payments.model.errors import (
    AlreadySettled,
    AmountMismatch,
    ChargeContradicted,
    ChargeUnknown,
    PaymentInProgress,
    PaymentNotFound,
    TooManyAttempts,
)
from payments.model.tariff import Fee, Means

MAX_ATTEMPTS = 10
REQUEST_SHARE = 0.8
"""Share of the time before an inquiry in which a charge may be requested; the rest is for the acquirer's answer."""


class PaymentState(Enum):
    """State of a payment."""

    DUE = "due"
    PROCESSING = "processing"
    SETTLED = "settled"


class ChargeState(Enum):
    """State of a charge."""

    REQUESTED = "requested"
    ACCEPTED = "accepted"
    REFUSED = "refused"
    SETTLED = "settled"

    @property
    def under_way(self) -> bool:
        """Whether the acquirer has not decided yet."""
        return self in (ChargeState.REQUESTED, ChargeState.ACCEPTED)


@dataclass(frozen=True)
class Charge:
    """One attempt to charge the citizen. `amount` is piastres, `reason` the reason of a refusal."""

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
    """Fact: a charge of the card is requested from the connector, until `expire_time`."""

    charge_id: str
    payment_id: str
    amount: int
    card: CardContent
    expire_time: datetime


@dataclass(frozen=True)
class ChargeInquired:
    """Fact: the state of a charge is requested from the connector."""

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
    """Fact: a charge was refused; the fee is still due."""

    payment_id: str
    subject_id: str
    account_id: str
    reason: str


@dataclass(frozen=True)
class Overpaid:
    """Fact: a second charge was settled; its amount is owed to the citizen."""

    payment_id: str
    subject_id: str
    account_id: str
    charge_id: str
    amount: int


Fact = Due | ChargeRequested | ChargeInquired | Settled | Refused | Overpaid


@dataclass(frozen=True)
class Payment:
    """A fee that is due. Amounts are piastres; fee and parts are those published when it became due.

    `last_request_time` is the time of the last request or inquiry of a charge, while any is under way; else None.
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
    last_request_time: datetime | None = None

    @property
    def state(self) -> PaymentState:
        """Settled after a settled charge, processing while a charge is under way, else due."""
        if self.settled_by:
            return PaymentState.SETTLED
        if any(charge.state.under_way for charge in self.charges):
            return PaymentState.PROCESSING
        return PaymentState.DUE

    @property
    def charge(self) -> Charge | None:
        """The charge that settled it, else the last one, if any."""
        if not self.charges:
            return None
        settling = [charge for charge in self.charges if charge.charge_id == self.settled_by]
        return settling[0] if settling else self.charges[-1]

    @property
    def refusal_reason(self) -> str:
        """The reason of the last charge's refusal, while the fee is due."""
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
        inquire_after: timedelta,
    ) -> Outcome["Payment", Fact]:
        """Request a charge, in the name of the account that owes the fee; one at a time, MAX_ATTEMPTS in all.

        `inquire_after` is the time without an event after which the charge is inquired about.
        """
        if account_id != self.account_id:
            raise PaymentNotFound
        if self.state is PaymentState.SETTLED:
            raise AlreadySettled
        if self.state is PaymentState.PROCESSING:
            raise PaymentInProgress
        if len(self.charges) >= MAX_ATTEMPTS:
            raise TooManyAttempts(limit=str(MAX_ATTEMPTS))
        amount = self.fee - (self.electronic_discount if means.electronic else 0)
        charge = Charge(charge_id, means, amount, now)
        requested = ChargeRequested(
            charge_id,
            self.payment_id,
            amount,
            CardContent(card_token),
            expire_time=now + REQUEST_SHARE * inquire_after,
        )
        return Outcome(replace(self, charges=(*self.charges, charge), last_request_time=now), (requested,))

    def inquire(self, now: datetime, inquire_after: timedelta) -> Outcome["Payment", Fact]:
        """Inquire about each charge under way, if the last request is at least `inquire_after` ago."""
        open_charges = [charge for charge in self.charges if charge.state.under_way]
        last = self.last_request_time
        if not open_charges or (last is not None and last > now - inquire_after):
            return Outcome(self)
        inquired = (ChargeInquired(charge.charge_id, self.payment_id) for charge in open_charges)
        return Outcome(replace(self, last_request_time=now), tuple(inquired))

    def accept(self, charge_id: str, reference: str) -> Outcome["Payment", Fact]:
        """Record that the acquirer accepted a charge; its decision follows."""
        charge = self._find(charge_id)
        if charge.state is not ChargeState.REQUESTED:
            return Outcome(self)
        return Outcome(self._with(replace(charge, state=ChargeState.ACCEPTED, reference=reference)))

    def settle(self, charge_id: str, amount: int, reference: str, now: datetime) -> Outcome["Payment", Fact]:
        """Record that a charge was settled; a repetition adds at most a reference that was missing.

        AmountMismatch if its amount differs from the requested one; ChargeContradicted if it is settled already under
        another reference of the acquirer, which may have collected twice.
        """
        charge = self._find(charge_id)
        if amount != charge.amount:
            raise AmountMismatch
        if charge.state is ChargeState.SETTLED:
            if reference and charge.reference and reference != charge.reference:
                raise ChargeContradicted
            return Outcome(self._with(replace(charge, reference=charge.reference or reference)))
        # A report without a reference must not remove the known one, with which a second collection is compared.
        reference = reference or charge.reference
        after = self._with(replace(charge, state=ChargeState.SETTLED, reference=reference, reason=""))
        if self.settled_by:
            overpaid = Overpaid(self.payment_id, self.subject_id, self.account_id, charge_id, amount)
            return Outcome(after, (overpaid,))
        settled = Settled(
            self.payment_id, self.subject_id, self.account_id, self.fee, self.fee - amount, amount
        )
        return Outcome(replace(after, settled_by=charge_id, settle_time=now), (settled,))

    def refuse(self, charge_id: str, reason: str) -> Outcome["Payment", Fact]:
        """Record that a charge was refused; no fact once the fee is paid.

        ChargeContradicted after its settlement: the settlement stands, and an operator must decide.
        """
        charge = self._find(charge_id)
        if charge.state is ChargeState.SETTLED:
            raise ChargeContradicted
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
        return replace(self, charges=charges, last_request_time=self.last_request_time if is_open else None)


def make_due(
    payment_id: str, subject_id: str, account_id: str, *, request_number: str, fee: Fee, now: datetime
) -> Outcome[Payment, Fact]:
    """A payment for a published fee that becomes due."""
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
