"""Published fees: which one holds for a service obtained in some way on some day.

All fees stand in one schedule, because whether a new one overlaps can only be told from all others.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from enum import Enum

from payments.model.errors import FeeInvalid, FeeNotPublished, TariffFull, TariffInPast, TariffOverlap

ANY = "*"
MOST_FEES = 5_000


class Means(Enum):
    """By what means a fee is paid."""

    CARD = "card"
    CASH = "cash"

    @property
    def electronic(self) -> bool:
        """Whether the incentive for paying electronically applies."""
        return self is Means.CARD


@dataclass(frozen=True)
class Fee:
    """One fee. Amounts are piastres; days of Africa/Cairo, `valid_until` the first no more in force."""

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
    def way(self) -> tuple[str, str, str]:
        """What is obtained, and how."""
        return (self.service, self.channel, self.governorate)

    def discount(self, means: Means) -> int:
        """What is taken off for paying by these means, in piastres."""
        return self.electronic_discount if means.electronic else 0

    def in_force(self, day: date) -> bool:
        """Whether it is the published fee of its way on that day."""
        return self.valid_from <= day and (self.valid_until is None or day < self.valid_until)

    def overlaps(self, other: "Fee") -> bool:
        """Whether both would hold for the same way on one day."""
        return (
            self.way == other.way
            and (other.valid_until is None or self.valid_from < other.valid_until)
            and (self.valid_until is None or other.valid_from < self.valid_until)
        )

    def same_terms(self, other: "Fee") -> bool:
        """Whether it says the same of the same way, whenever that is."""
        undated = {"valid_from": date.min, "valid_until": None, "tariff_id": ""}
        return replace(self, **undated) == replace(other, **undated)  # type: ignore[arg-type]  # mixed kinds

    def check(self, place: str) -> None:
        """FeeInvalid names the field, under `place`, that contradicts the others."""
        if self.amount <= 0:
            raise FeeInvalid("A fee is above zero.", field=f"{place}.amount")
        if not 0 <= self.electronic_discount < self.amount:
            raise FeeInvalid("A discount leaves something to pay.", field=f"{place}.electronic_discount")
        if not 0 <= self.platform_share <= self.amount:
            raise FeeInvalid("A share is a part of the fee.", field=f"{place}.platform_share")
        if self.valid_until is not None and self.valid_until <= self.valid_from:
            raise FeeInvalid("A fee is in force on one day at least.", field=f"{place}.valid_until")


@dataclass(frozen=True)
class Schedule:
    """Every fee ever published."""

    fees: tuple[Fee, ...] = ()

    def publish(self, fees: Sequence[Fee], tariff_id: str, today: date) -> "Schedule":
        """The schedule with a tariff's fees.

        A fee that says again what is published changes nothing, but that its end may come sooner: so is a fee
        ended. Every other must begin today or later and leave each other's time alone, those of the same tariff
        included.

        Raises:
            FeeInvalid, TariffInPast, TariffOverlap: with the place of the fee in the tariff.
            TariffFull: no more fees fit.
        """
        known = list(self.fees)
        ending: list[tuple[str, Fee, int]] = []
        beginning: list[tuple[str, Fee]] = []
        for number, fee in enumerate(fees):
            place = f"fees[{number}]"
            fee.check(place)
            at = next((n for n, old in enumerate(self.fees) if _says_again(fee, old)), None)
            if at is None:
                beginning.append((place, fee))
            else:
                ending.append((place, fee, at))
        # Ends first: one tariff may end a fee and begin its successor, in whatever order it lists them.
        for place, fee, at in ending:
            known[at] = _ended(known[at], fee.valid_until, today, place)
        for place, fee in beginning:
            if fee.valid_from < today:
                raise TariffInPast(
                    "A fee begins on the day of its publication or later.", field=f"{place}.valid_from"
                )
            if any(fee.overlaps(old) for old in known):
                raise TariffOverlap(field=place)
            known.append(replace(fee, tariff_id=tariff_id))
        if len(known) > MOST_FEES:
            raise TariffFull(limit=str(MOST_FEES))
        return Schedule(tuple(known))

    def fee(self, service: str, *, channel: str, governorate: str, day: date) -> Fee:
        """The fee of a service on a day: the exact governorate before any, then the exact channel before any.

        Raises:
            FeeNotPublished: there is none.
        """
        fitting = [
            fee
            for fee in self.fees
            if fee.service == service
            and fee.channel in (channel, ANY)
            and fee.governorate in (governorate, ANY)
            and fee.in_force(day)
        ]
        if not fitting:
            raise FeeNotPublished(
                service=service, channel=channel, governorate=governorate, day=day.isoformat()
            )
        return max(fitting, key=lambda fee: (fee.governorate != ANY, fee.channel != ANY))


def _says_again(fee: Fee, old: Fee) -> bool:
    """Whether a fee lies wholly in the time of a published one and says the same."""
    within = old.valid_until is None or (fee.valid_until is not None and fee.valid_until <= old.valid_until)
    return within and fee.valid_from >= old.valid_from and fee.same_terms(old)


def _ended(old: Fee, end: date | None, today: date, place: str) -> Fee:
    if end is None or end == old.valid_until:
        return old
    if end <= today:
        raise TariffInPast("A fee in force ends tomorrow or later.", field=f"{place}.valid_until")
    return replace(old, valid_until=end)
