"""Published fees, by service, channel, governorate and day.

All fees are in one schedule, because a new fee must be checked for overlap against all others.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from enum import Enum

from payments.model.errors import FeeInvalid, FeeNotPublished, TariffFull, TariffInPast, TariffOverlap

ANY = "*"
MAX_FEES = 5_000
MAX_AMOUNT = 100_000_000
"""Piastres: a greater amount is a mistake of units."""
MAX_YEARS_AHEAD = 10
GOVERNORATES = frozenset(
    f"{number:02}" for numbers in ((1, 5), (11, 20), (21, 30), (31, 36)) for number in range(*numbers)
)
"""The 27 governorates, numbered as in the national ID."""


class Means(Enum):
    """Means of payment."""

    CARD = "card"
    CASH = "cash"

    @property
    def electronic(self) -> bool:
        """Whether the discount for electronic payment applies."""
        return self is Means.CARD


@dataclass(frozen=True)
class Fee:
    """One fee. Amounts are piastres; days are of Africa/Cairo; `valid_until` is the first day not in force."""

    service: str
    channel: str
    governorate: str
    agency: str
    valid_from: date
    valid_until: date | None
    amount: int
    electronic_discount: int = 0
    platform_share: int = 0
    tariff_id: str = ""

    @property
    def scope(self) -> tuple[str, str, str]:
        """Service, channel and governorate that the fee applies to."""
        return (self.service, self.channel, self.governorate)

    def discount(self, means: Means) -> int:
        """The discount for a means of payment, in piastres."""
        return self.electronic_discount if means.electronic else 0

    def in_force(self, day: date) -> bool:
        """Whether it is in force on a day."""
        return self.valid_from <= day and (self.valid_until is None or day < self.valid_until)

    def overlaps(self, other: "Fee") -> bool:
        """Whether both are in force for the same scope on one day."""
        return (
            self.scope == other.scope
            and (other.valid_until is None or self.valid_from < other.valid_until)
            and (self.valid_until is None or other.valid_from < self.valid_until)
        )

    def same_terms(self, other: "Fee") -> bool:
        """Whether everything but the days and the tariff is equal."""
        undated = {"valid_from": date.min, "valid_until": None, "tariff_id": ""}
        return replace(self, **undated) == replace(other, **undated)  # type: ignore[arg-type]  # mixed kinds

    def check(self, path: str) -> None:
        """Raise FeeInvalid with the wrong field; `path` is the fee's path in the request."""
        if not 0 < self.amount <= MAX_AMOUNT:
            raise FeeInvalid(
                "A fee must be above zero, and 1,000,000 pounds at most.", field=f"{path}.amount"
            )
        if self.governorate != ANY and self.governorate not in GOVERNORATES:
            raise FeeInvalid("A fee must be for one of the 27 governorates.", field=f"{path}.governorate")
        if not 0 <= self.electronic_discount < self.amount:
            raise FeeInvalid("A discount must be less than the fee.", field=f"{path}.electronic_discount")
        if not 0 <= self.platform_share <= self.amount:
            raise FeeInvalid("A share must be at most the fee.", field=f"{path}.platform_share")
        if self.valid_until is not None and self.valid_until <= self.valid_from:
            raise FeeInvalid("A fee must be in force for at least one day.", field=f"{path}.valid_until")

    def check_days(self, path: str, today: date) -> None:
        """Raise FeeInvalid if a day is more than MAX_YEARS_AHEAD ahead: such a year is a mistake."""
        for name, day in (("valid_from", self.valid_from), ("valid_until", self.valid_until)):
            if day is not None and day.year > today.year + MAX_YEARS_AHEAD:
                raise FeeInvalid(
                    "A fee must begin and end within ten years; leave its end out if it has none.",
                    field=f"{path}.{name}",
                )


@dataclass(frozen=True)
class Schedule:
    """All published fees, past ones included."""

    fees: tuple[Fee, ...] = ()

    def publish(self, fees: Sequence[Fee], tariff_id: str, today: date) -> "Schedule":
        """The schedule with a tariff's fees added.

        A fee that repeats a published one changes only its `valid_until`, if that is earlier: this is how a fee is
        ended. Every other fee must begin today or later, and must not overlap another, of the same tariff either.

        Raises:
            FeeInvalid, TariffInPast, TariffOverlap: with the path of the fee in the request.
            TariffFull: the schedule has too many fees.
        """
        published = list(self.fees)
        repeated: list[tuple[str, Fee, int]] = []
        added: list[tuple[str, Fee]] = []
        for number, fee in enumerate(fees):
            path = f"fees[{number}]"
            fee.check(path)
            fee.check_days(path, today)
            index = next((n for n, old in enumerate(self.fees) if _repeats(fee, old)), None)
            if index is None:
                added.append((path, fee))
            else:
                repeated.append((path, fee, index))
        # Ends are applied first: one tariff may end a fee and add its successor, in either order.
        for path, fee, index in repeated:
            published[index] = _ended(published[index], fee.valid_until, today, path)
        for path, fee in added:
            if fee.valid_from < today:
                raise TariffInPast(
                    "A fee begins on the day of its publication or later.", field=f"{path}.valid_from"
                )
            if any(fee.overlaps(old) for old in published):
                raise TariffOverlap(field=path)
            published.append(replace(fee, tariff_id=tariff_id))
        if len(published) > MAX_FEES:
            raise TariffFull(limit=str(MAX_FEES))
        return Schedule(tuple(published))

    def fee(self, service: str, *, channel: str, governorate: str, day: date) -> Fee:
        """The fee of a service on a day. An exact governorate precedes ANY, then an exact channel precedes ANY.

        Raises:
            FeeNotPublished: there is none.
        """
        matching = [
            fee
            for fee in self.fees
            if fee.service == service
            and fee.channel in (channel, ANY)
            and fee.governorate in (governorate, ANY)
            and fee.in_force(day)
        ]
        if not matching:
            raise FeeNotPublished(
                service=service, channel=channel, governorate=governorate, day=day.isoformat()
            )
        return max(matching, key=lambda fee: (fee.governorate != ANY, fee.channel != ANY))


def _repeats(fee: Fee, old: Fee) -> bool:
    """Whether a fee has the terms of a published one and lies within its days."""
    within = old.valid_until is None or (fee.valid_until is not None and fee.valid_until <= old.valid_until)
    return within and fee.valid_from >= old.valid_from and fee.same_terms(old)


def _ended(old: Fee, end: date | None, today: date, path: str) -> Fee:
    if end is None or end == old.valid_until:
        return old
    if end <= today:
        raise TariffInPast("A fee in force ends tomorrow or later.", field=f"{path}.valid_until")
    return replace(old, valid_until=end)
