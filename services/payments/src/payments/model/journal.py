"""The journal: entries of legs that sum to zero. Debit is above zero, credit below; amounts are piastres.

kind      debit                      credit
due       citizen: fee               deferred: fee
settled   acquirer: paid amount      citizen: fee
          incentive: discount
earned    deferred: fee              agency: fee less share
                                     platform: share
overpaid  acquirer: amount           citizen: amount
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from payments.model.errors import EntryUnbalanced

ACQUIRER = "acquirer/card"
INCENTIVE = "incentive/electronic"
PLATFORM = "platform"


def citizen(account_id: str) -> str:
    """Account of a citizen's debts (debit) and claims (credit)."""
    return f"citizen/{account_id}"


def deferred(agency: str) -> str:
    """Account of an agency's fees that are not earned yet."""
    return f"deferred/{agency}"


def earned_by(agency: str) -> str:
    """Account of an agency's earned fees."""
    return f"agency/{agency}"


@dataclass(frozen=True)
class Leg:
    """One account's part of an entry, in piastres: debit above zero, credit below."""

    account: str
    amount: int


@dataclass(frozen=True)
class Entry:
    """A journal entry; EntryUnbalanced at its construction unless its legs balance."""

    entry_id: str
    kind: str
    payment_id: str
    book_time: datetime
    legs: tuple[Leg, ...]

    def __post_init__(self) -> None:
        check_legs(self.legs)


def check_legs(legs: tuple[Leg, ...]) -> None:
    """Raise EntryUnbalanced unless there are at least two legs, none of them zero, and they sum to zero."""
    if len(legs) < 2 or any(leg.amount == 0 for leg in legs) or sum(leg.amount for leg in legs) != 0:
        raise EntryUnbalanced


def due(entry_id: str, payment_id: str, account_id: str, *, agency: str, fee: int, now: datetime) -> Entry:
    """The entry of a fee that the citizen owes and that is deferred for the agency."""
    return _entry(entry_id, "due", payment_id, now, {citizen(account_id): fee, deferred(agency): -fee})


def settled(
    entry_id: str, payment_id: str, account_id: str, *, fee: int, discount: int, now: datetime
) -> Entry:
    """The entry of a paid fee: the acquirer owes the amount, the incentive the discount, the citizen nothing."""
    legs = {ACQUIRER: fee - discount, INCENTIVE: discount, citizen(account_id): -fee}
    return _entry(entry_id, "settled", payment_id, now, legs)


def earned(
    entry_id: str, payment_id: str, agency: str, *, fee: int, platform_share: int, now: datetime
) -> Entry:
    """The entry of an agency's service done: the deferred fee becomes the agency's, less the platform's share."""
    legs = {deferred(agency): fee, earned_by(agency): platform_share - fee, PLATFORM: -platform_share}
    return _entry(entry_id, "earned", payment_id, now, legs)


def overpaid(entry_id: str, payment_id: str, account_id: str, *, amount: int, now: datetime) -> Entry:
    """The entry of a second payment, which is owed to the citizen."""
    return _entry(entry_id, "overpaid", payment_id, now, {ACQUIRER: amount, citizen(account_id): -amount})


def _entry(entry_id: str, kind: str, payment_id: str, now: datetime, legs: Mapping[str, int]) -> Entry:
    parts = tuple(Leg(account, amount) for account, amount in legs.items() if amount)
    return Entry(entry_id, kind, payment_id, now, parts)
