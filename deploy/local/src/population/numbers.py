"""National IDs and mobile numbers that never repeat, without remembering the ones given.

A family's ordinal is written as the digits of a mixed radix (serial, day, month, year). Each digit is turned by
an amount drawn from the lower digits alone: two families that agree in all lower digits are turned alike, so they
still differ. What is drawn freely beside it (governorate, spacing of births) cannot make two numbers equal.
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
_STRIDE = 236_067_977  # odd and no multiple of 5, so that it visits every number before one returns


@dataclass(frozen=True)
class Slot:
    """What a family's ordinal settles: the father's birth year, and for each member a serial, day and month.

    Attributes:
        father_year: four digits.
        free: draws that may move a year; the same for all families that share the lower digits.
    """

    serial: int
    days: tuple[int, ...]
    months: tuple[int, ...]
    father_year: int
    free: random.Random


def slot(seed: int, family: int) -> Slot:
    """Settle the numbers of a family; ValueError beyond CAPACITY_FAMILIES."""
    if not 0 <= family < CAPACITY_FAMILIES:
        raise ValueError(f"a family's ordinal is from 0 to {CAPACITY_FAMILIES - 1}, not {family}")
    rest, serial = divmod(family, SERIALS)
    rest, day = divmod(rest, DAYS)
    year, month = divmod(rest, MONTHS)
    days = tuple(1 + (day + turn) % DAYS for turn in _turns(seed, serial))
    months = tuple(1 + (month + turn) % MONTHS for turn in _turns(seed, serial, day))
    free = random.Random(f"{seed}/year/{serial}/{day}/{month}")  # noqa: S311  a play of chance, not a secret
    turn = free.randrange(len(FATHER_YEARS))
    return Slot(
        serial=(serial * 337 + seed) % SERIALS,
        days=days,
        months=months,
        father_year=FATHER_YEARS[(year + turn) % len(FATHER_YEARS)],
        free=free,
    )


@lru_cache(maxsize=1024)
def _turns(seed: int, *digits: int) -> tuple[int, ...]:
    draw = random.Random(f"{seed}/turn/{digits}")  # noqa: S311
    return tuple(draw.randrange(DAYS * MONTHS) for _ in range(MEMBERS_LIMIT))


def national_id(born: date, governorate: str, serial: int, member: int, *, male: bool) -> str:
    """14 digits; the member's ordinal in the family stands in the serial, so that no two of a family share one.

    Nobody published how the last digit is made: here it is the sum of the others modulo 10.
    """
    century = "2" if born.year < 2000 else "3"
    last = 2 * (member % 5) + (1 if male else 0)
    digits = f"{century}{born:%y%m%d}{governorate}{2 * serial + member // 5:03d}{last}"
    return f"{digits}{sum(map(int, digits)) % 10}"


def mobile(seed: int, family: int, member: int) -> str:
    """+20 1[0125] and 8 digits, one for each member of each family."""
    ordinal = family * MEMBERS_LIMIT + member
    spread = (ordinal * _STRIDE + seed) % (len(_OPERATORS) * _SUBSCRIBERS)
    operator, subscriber = divmod(spread, _SUBSCRIBERS)
    return f"+201{_OPERATORS[operator]}{subscriber:08d}"
