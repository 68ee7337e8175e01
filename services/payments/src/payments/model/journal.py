"""The books: entries of legs that sum to zero. Debit above zero, credit below; amounts are piastres.

due       citizen owes the fee          / it is deferred until the agency has done its part
settled   acquirer and incentive pay    / the citizen owes nothing
earned    the deferred fee is divided   / between agency and platform
overpaid  the acquirer has more         / which is the citizen's
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from payments.model.errors import EntryUnbalanced

ACQUIRER = "acquirer/card"
INCENTIVE = "incentive/electronic"
PLATFORM = "platform"


def citizen(account_id: str) -> str:
    """The account of what a citizen owes (debit) or is owed (credit)."""
    return f"citizen/{account_id}"


def deferred(agency: str) -> str:
    """The account of fees of an agency that it has not earned yet."""
    return f"deferred/{agency}"


def earned_by(agency: str) -> str:
    """The account of what an agency has earned."""
    return f"agency/{agency}"


@dataclass(frozen=True)
class Leg:
    """One account's part of an entry, in piastres: debit above zero, credit below."""

    account: str
    amount: int


@dataclass(frozen=True)
class Entry:
    """A journal entry; one that does not balance cannot be made, nor read back."""

    entry_id: str
    kind: str
    payment_id: str
    book_time: datetime
    legs: tuple[Leg, ...]

    def __post_init__(self) -> None:
        check_legs(self.legs)


def check_legs(legs: tuple[Leg, ...]) -> None:
    """EntryUnbalanced unless there are two legs or more, none of nothing, and they sum to zero."""
    if len(legs) < 2 or any(leg.amount == 0 for leg in legs) or sum(leg.amount for leg in legs) != 0:
        raise EntryUnbalanced


def due(entry_id: str, payment_id: str, account_id: str, *, agency: str, fee: int, now: datetime) -> Entry:
    """The fee is owed by the citizen and deferred for the agency."""
    return _entry(entry_id, "due", payment_id, now, {citizen(account_id): fee, deferred(agency): -fee})


def settled(
    entry_id: str, payment_id: str, account_id: str, *, fee: int, discount: int, now: datetime
) -> Entry:
    """The acquirer owes what was paid, the incentive the discount, the citizen nothing."""
    legs = {ACQUIRER: fee - discount, INCENTIVE: discount, citizen(account_id): -fee}
    return _entry(entry_id, "settled", payment_id, now, legs)


def earned(
    entry_id: str, payment_id: str, agency: str, *, fee: int, platform_share: int, now: datetime
) -> Entry:
    """The agency has done its part: the deferred fee is its own, less the platform's share."""
    legs = {deferred(agency): fee, earned_by(agency): platform_share - fee, PLATFORM: -platform_share}
    return _entry(entry_id, "earned", payment_id, now, legs)


def overpaid(entry_id: str, payment_id: str, account_id: str, *, amount: int, now: datetime) -> Entry:
    """Money taken a second time is the citizen's."""
    return _entry(entry_id, "overpaid", payment_id, now, {ACQUIRER: amount, citizen(account_id): -amount})


def _entry(entry_id: str, kind: str, payment_id: str, now: datetime, legs: Mapping[str, int]) -> Entry:
    parts = tuple(Leg(account, amount) for account, amount in legs.items() if amount)
    return Entry(entry_id, kind, payment_id, now, parts)
