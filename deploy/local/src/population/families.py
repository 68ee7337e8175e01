"""Families: father, mother and children, with the civil registry's data on each."""

import itertools
import json
import random
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from importlib.resources import files
from typing import Any

from population import numbers
from population.numbers import CAPACITY_FAMILIES, Slot

__all__ = ["CAPACITY_FAMILIES", "EXTRACT_DAY", "Person", "families", "people"]

EXTRACT_DAY = date(2023, 1, 1)
ADULT_YEARS = 21
MOBILE_YEARS = 15
BORN_ABROAD = "88"

_NAMES: dict[str, Any] = json.loads(files(__package__).joinpath("names.json").read_text(encoding="utf-8"))
_GOVERNORATES = tuple(_NAMES["governorates"])
# Half of the weight is by residents, half is equal: small governorates must appear in small populations too.
_WEIGHTS = [_NAMES["residents_in_10_000"][code] + 10_000 / len(_GOVERNORATES) for code in _GOVERNORATES]
_SPACE = uuid.UUID("6b0c2f6e-4c0e-5b0a-9a57-0d1f2a6d3c11")


@dataclass(frozen=True)
class Person:
    """One row of the registry's extract as of EXTRACT_DAY.

    Attributes:
        person_id: opaque id of the registry, a UUID.
        family_id: the same for all members of a household.
        full_name: own, father's, grandfather's and family name.
        governorate: of residence, two digits as in the national ID.
        mobile: +20 and 10 digits; empty for a child.
        father_id: person id; empty where the father is not in the population.
        mother_id: likewise.
    """

    person_id: str
    family_id: str
    national_id: str
    first_name: str
    mother_first_name: str
    full_name: str
    male: bool
    birth_date: date
    birth_governorate: str
    governorate: str
    address: str
    mobile: str
    father_id: str = ""
    mother_id: str = ""

    @property
    def is_adult(self) -> bool:
        """Whether the person is old enough to give a power of attorney."""
        return _years(self.birth_date) >= ADULT_YEARS


@dataclass(frozen=True)
class _Household:
    """Data that the members of one family share while it is generated."""

    seed: int
    ordinal: int
    slot: Slot
    draw: random.Random
    governorate: str
    address: str

    def person(self, member: int, year: int, names: tuple[str, ...], mother: str, *, male: bool) -> Person:
        born = date(year, self.slot.months[member], self.slot.days[member])
        birthplace = _birthplace(self.draw, self.governorate)
        return Person(
            person_id=str(uuid.uuid5(_SPACE, f"{self.seed}/{self.ordinal}/{member}")),
            family_id=str(uuid.uuid5(_SPACE, f"{self.seed}/{self.ordinal}")),
            national_id=numbers.national_id(born, birthplace, self.slot.serial, member, male=male),
            first_name=names[0],
            mother_first_name=mother,
            full_name=" ".join(names),
            male=male,
            birth_date=born,
            birth_governorate=birthplace,
            governorate=self.governorate,
            address=self.address,
            mobile=numbers.mobile(self.seed, self.ordinal, member) if _years(born) >= MOBILE_YEARS else "",
        )


def people(seed: int, count: int) -> Iterator[Person]:
    """Yield the first `count` persons of the population of a seed, family by family, with one family in memory."""
    return itertools.islice(itertools.chain.from_iterable(families(seed)), count)


def families(seed: int) -> Iterator[tuple[Person, ...]]:
    """Yield every family of the population: father, mother, children from the eldest."""
    for ordinal in range(CAPACITY_FAMILIES):
        yield _family(seed, ordinal)


def _family(seed: int, ordinal: int) -> tuple[Person, ...]:
    draw = random.Random(f"{seed}/family/{ordinal}")  # noqa: S311  not a secret
    governorate = draw.choices(_GOVERNORATES, _WEIGHTS)[0]
    address = _NAMES["address"].format(
        house=draw.randint(1, 180),
        street=draw.choice(_NAMES["street"]),
        governorate=_NAMES["governorates"][governorate],
    )
    house = _Household(seed, ordinal, numbers.slot(seed, ordinal), draw, governorate, address)
    male, female, surnames = _NAMES["male"], _NAMES["female"], _NAMES["family"]
    father_names = (*(draw.choice(male) for _ in range(3)), draw.choice(surnames))
    mother_names = (draw.choice(female), *(draw.choice(male) for _ in range(2)), draw.choice(surnames))

    father_year = house.slot.father_year
    mother_year = father_year + house.slot.free.randint(0, 6)
    father = house.person(0, father_year, father_names, draw.choice(female), male=True)
    mother = house.person(1, mother_year, mother_names, draw.choice(female), male=False)
    return (
        father,
        mother,
        *_children(house, father, mother, (father_names[0], father_names[1], father_names[3])),
    )


def _children(
    house: _Household, father: Person, mother: Person, line: tuple[str, str, str]
) -> Iterator[Person]:
    free = house.slot.free
    count = free.choices(range(numbers.MEMBERS_LIMIT - 1), (6, 12, 26, 26, 16, 8, 4, 1, 1))[0]
    year = mother.birth_date.year + free.randint(20, 27)
    used: set[str] = set()
    for member in range(2, 2 + count):
        if year >= EXTRACT_DAY.year or year > mother.birth_date.year + 45:
            return
        male = house.draw.random() < 0.51
        name = house.draw.choice([n for n in _NAMES["male" if male else "female"] if n not in used])
        used.add(name)
        child = house.person(member, year, (name, *line), mother.first_name, male=male)
        yield _of(child, father, mother)
        year += free.randint(2, 4)


def _of(child: Person, father: Person, mother: Person) -> Person:
    return Person(**{**vars(child), "father_id": father.person_id, "mother_id": mother.person_id})


def _birthplace(draw: random.Random, governorate: str) -> str:
    place = draw.random()
    if place < 0.02:
        return BORN_ABROAD
    return governorate if place < 0.85 else draw.choice(_GOVERNORATES)


def _years(born: date) -> int:
    had_birthday = (EXTRACT_DAY.month, EXTRACT_DAY.day) >= (born.month, born.day)
    return EXTRACT_DAY.year - born.year - (0 if had_birthday else 1)
