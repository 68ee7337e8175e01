"""National IDs and mobile numbers that are unique without a record of those given.

A family's ordinal is written in a mixed radix (serial, day, month, year). Each digit is rotated by an amount that
depends only on the lower digits: two families that agree in all lower digits are rotated by the same amount, so they
still differ. Independent random draws (governorate, spacing of births) cannot make two numbers equal.
"""

import random
from dataclasses import dataclass
from datetime import date
from functools import lru_cache

SERIALS = 500
DAYS = 28
MONTHS = 12
FATHER_YEARS = range(1950, 1995)
MEMBERS_LIMIT = 10
CAPACITY_FAMILIES = SERIALS * DAYS * MONTHS * len(FATHER_YEARS)

_OPERATORS = "0125"
_SUBSCRIBERS = 10**8
_STRIDE = 236_067_977  # coprime to the range (odd, no multiple of 5), so that every number occurs before one repeats


@dataclass(frozen=True)
class Slot:
    """The values that follow from a family's ordinal.

    Attributes:
        serial: the family's, from 0 to SERIALS - 1.
        days: birth day of each member.
        months: birth month of each member.
        father_year: the father's birth year, four digits.
        free: source of random draws, the same for all families with the same lower digits.
    """

    serial: int
    days: tuple[int, ...]
    months: tuple[int, ...]
    father_year: int
    free: random.Random


def slot(seed: int, family: int) -> Slot:
    """Compute the slot of a family; ValueError from CAPACITY_FAMILIES on."""
    if not 0 <= family < CAPACITY_FAMILIES:
        raise ValueError(f"a family's ordinal is from 0 to {CAPACITY_FAMILIES - 1}, not {family}")
    rest, serial = divmod(family, SERIALS)
    rest, day = divmod(rest, DAYS)
    year, month = divmod(rest, MONTHS)
    days = tuple(1 + (day + rotation) % DAYS for rotation in _rotations(seed, serial))
    months = tuple(1 + (month + rotation) % MONTHS for rotation in _rotations(seed, serial, day))
    free = random.Random(f"{seed}/year/{serial}/{day}/{month}")  # noqa: S311  not a secret
    rotation = free.randrange(len(FATHER_YEARS))
    return Slot(
        serial=(serial * 337 + seed) % SERIALS,
        days=days,
        months=months,
        father_year=FATHER_YEARS[(year + rotation) % len(FATHER_YEARS)],
        free=free,
    )


@lru_cache(maxsize=1024)
def _rotations(seed: int, *digits: int) -> tuple[int, ...]:
    draw = random.Random(f"{seed}/turn/{digits}")  # noqa: S311
    return tuple(draw.randrange(DAYS * MONTHS) for _ in range(MEMBERS_LIMIT))


def national_id(born: date, governorate: str, serial: int, member: int, *, male: bool) -> str:
    """Return 14 digits; the serial includes the member's ordinal, so that it is unique within a family.

    The algorithm of the last digit is not published: here it is the sum of the others modulo 10.
    """
    century = "2" if born.year < 2000 else "3"
    last = 2 * (member % 5) + (1 if male else 0)
    digits = f"{century}{born:%y%m%d}{governorate}{2 * serial + member // 5:03d}{last}"
    return f"{digits}{sum(map(int, digits)) % 10}"


def mobile(seed: int, family: int, member: int) -> str:
    """Return a mobile number, +20 1[0125] and 8 digits, distinct for each member of each family."""
    ordinal = family * MEMBERS_LIMIT + member
    spread = (ordinal * _STRIDE + seed) % (len(_OPERATORS) * _SUBSCRIBERS)
    operator, subscriber = divmod(spread, _SUBSCRIBERS)
    return f"+201{_OPERATORS[operator]}{subscriber:08d}"
