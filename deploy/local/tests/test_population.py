"""The generated population: its numbers are unique and valid, and it is the same for the same seed."""

import itertools
import json
import re
import sys
import unicodedata
from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from population import EXTRACT_DAY, families, numbers, people, spelling_variants
from testkit import processes

PLACES = {f"{code:02}" for code in (*range(1, 5), *range(11, 20), *range(21, 30), *range(31, 36), 88)}
SEEDS = st.integers(min_value=0, max_value=2**31)
ORDINALS = st.integers(min_value=0, max_value=numbers.CAPACITY_FAMILIES - 1)


@given(seed=SEEDS, count=st.integers(min_value=0, max_value=200), more=st.integers(min_value=0, max_value=50))
@settings(max_examples=20, deadline=None)
def test_a_longer_extract_begins_with_the_shorter_one(seed, count, more):
    """The same seed gives the same people, independent of the count."""
    short = list(people(seed, count))

    long = list(people(seed, count + more))

    assert len(short) == count
    assert long[:count] == short


@given(seed=SEEDS)
@settings(max_examples=10, deadline=None)
def test_a_national_id_agrees_with_the_registry(seed):
    """The number encodes century, birth date, governorate of birth and sex."""
    for person in people(seed, 200):
        number = person.national_id

        century = {"2": 1900, "3": 2000}[number[0]]
        born = date(century + int(number[1:3]), int(number[3:5]), int(number[5:7]))

        assert re.fullmatch(r"[23]\d{13}", number)
        assert born == person.birth_date < EXTRACT_DAY
        assert number[7:9] == person.birth_governorate
        assert number[7:9] in PLACES
        assert int(number[12]) % 2 == int(person.male)


@given(seed=SEEDS)
@settings(max_examples=5, deadline=None)
def test_numbers_and_ids_are_unique(seed):
    """No two people have the same national ID, mobile or id."""
    persons = list(people(seed, 3000))

    mobiles = [person.mobile for person in persons if person.mobile]

    assert len({person.national_id for person in persons}) == len(persons)
    assert len({person.person_id for person in persons}) == len(persons)
    assert len(set(mobiles)) == len(mobiles)
    assert all(re.fullmatch(r"\+201[0125]\d{8}", mobile) for mobile in mobiles)


@given(seed=SEEDS, family=ORDINALS, step=st.integers(min_value=1, max_value=10_000))
@settings(max_examples=300, deadline=None)
def test_distant_families_never_share_a_number(seed, family, step):
    """Families whose ordinals differ in one digit differ in the field of that digit and are equal in all lower ones.

    Two families with equal serial, day and month therefore have equal free draws, and their years differ: the numbers
    are unique without a record of those given.
    """
    day, month, year = (
        numbers.SERIALS,
        numbers.SERIALS * numbers.DAYS,
        numbers.SERIALS * numbers.DAYS * numbers.MONTHS,
    )
    here = numbers.slot(seed, family)

    other_serial = numbers.slot(seed, with_other_digit(family, 1, numbers.SERIALS, step))
    other_day = numbers.slot(seed, with_other_digit(family, day, numbers.DAYS, step))
    other_month = numbers.slot(seed, with_other_digit(family, month, numbers.MONTHS, step))
    other_year = numbers.slot(seed, with_other_digit(family, year, len(numbers.FATHER_YEARS), step))

    assert other_serial.serial != here.serial
    assert other_day.serial == here.serial
    assert all(a != b for a, b in zip(other_day.days, here.days, strict=True))
    assert (other_month.serial, other_month.days) == (here.serial, here.days)
    assert all(a != b for a, b in zip(other_month.months, here.months, strict=True))
    assert (other_year.serial, other_year.days, other_year.months) == (here.serial, here.days, here.months)
    assert other_year.father_year != here.father_year
    assert other_year.free.random() == here.free.random()


def with_other_digit(family, place, radix, step):
    """Return the ordinal with another digit at that place."""
    digit = family // place % radix
    return family + ((digit + 1 + step % (radix - 1)) % radix - digit) * place


@given(seed=SEEDS)
@settings(max_examples=5, deadline=None)
def test_consecutive_families_have_distinct_serials(seed):
    """A run of as many families as there are serials uses each serial once."""
    serials = {numbers.slot(seed, family).serial for family in range(numbers.SERIALS)}

    assert len(serials) == numbers.SERIALS


def test_every_governorate_has_people():
    """A few thousand people cover all 27 governorates and births abroad."""
    persons = list(people(1, 4000))

    assert {person.birth_governorate for person in persons} == PLACES
    assert {person.governorate for person in persons} == PLACES - {"88"}


def test_members_of_a_family_match():
    """Children have their father's names and their mother's first name, and are younger by a generation."""
    for family in itertools.islice(families(7), 300):
        father, mother, *children = family

        assert father.male
        assert not mother.male
        assert len(family) <= numbers.MEMBERS_LIMIT
        for child in children:
            assert child.full_name.startswith(f"{child.first_name} {father.first_name} ")
            assert child.mother_first_name == mother.first_name
            assert (child.father_id, child.mother_id) == (father.person_id, mother.person_id)
            assert 18 <= child.birth_date.year - mother.birth_date.year <= 46


def test_a_population_has_a_capacity():
    """Beyond it the generator raises an error instead of repeating a number."""
    with pytest.raises(ValueError, match="ordinal"):
        numbers.slot(1, numbers.CAPACITY_FAMILIES)


def test_the_command_writes_one_person_per_line(tmp_path):
    """`python -m population` writes the people that the library returns."""
    out = tmp_path / "people.ndjson"

    processes.run([sys.executable, "-m", "population", "--seed", "5", "--count", "12", "--out", str(out)])

    written = [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]
    assert [line["national_id"] for line in written] == [person.national_id for person in people(5, 12)]


def folded(name):
    """Fold the spelling variants of a name, independently of the code under test."""
    bare = "".join(c for c in unicodedata.normalize("NFD", name) if not unicodedata.combining(c) and c != "ـ")
    return " ".join(bare.replace("ة", "ه").replace("ى", "ي").split())


@given(st.sampled_from([person.full_name for person in people(3, 400)]))
def test_variants_differ_in_spelling_only(name):
    """Each variant is a different string that folds to the same name."""
    variants = list(spelling_variants(name))

    assert variants
    assert name not in variants
    assert len(set(variants)) == len(variants)
    assert {folded(variant) for variant in variants} == {folded(name)}
