"""The generated population: unique, valid, the same for the same seed."""

import itertools
import json
import re
import subprocess
import sys
import unicodedata
from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from population import EXTRACT_DAY, families, numbers, people, spelling_variants

PLACES = {f"{code:02}" for code in (*range(1, 5), *range(11, 20), *range(21, 30), *range(31, 36), 88)}
SEEDS = st.integers(min_value=0, max_value=2**31)
ORDINALS = st.integers(min_value=0, max_value=numbers.CAPACITY_FAMILIES - 1)


@given(seed=SEEDS, count=st.integers(min_value=0, max_value=200), more=st.integers(min_value=0, max_value=50))
@settings(max_examples=20, deadline=None)
def test_a_longer_extract_begins_with_the_shorter_one(seed, count, more):
    """The same seed gives the same people, however many are asked for."""
    short = list(people(seed, count))

    long = list(people(seed, count + more))

    assert len(short) == count
    assert long[:count] == short


@given(seed=SEEDS)
@settings(max_examples=10, deadline=None)
def test_a_national_id_says_what_the_registry_says(seed):
    """Century, birth date, governorate of birth and sex stand in the number."""
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
    """No two people share a national ID, a mobile or an id."""
    crowd = list(people(seed, 3000))

    mobiles = [person.mobile for person in crowd if person.mobile]

    assert len({person.national_id for person in crowd}) == len(crowd)
    assert len({person.person_id for person in crowd}) == len(crowd)
    assert len(set(mobiles)) == len(mobiles)
    assert all(re.fullmatch(r"\+201[0125]\d{8}", mobile) for mobile in mobiles)


@given(seed=SEEDS, family=ORDINALS, step=st.integers(min_value=1, max_value=10_000))
@settings(max_examples=300, deadline=None)
def test_families_far_apart_never_share_a_number(seed, family, step):
    """Families that differ in one digit of the ordinal differ in what it stands for, and are alike in all below.

    So two of them can be alike in serial, day and month only when they are in the free draws too, and their years
    differ: nobody has to remember a number.
    """
    day, month, year = (
        numbers.SERIALS,
        numbers.SERIALS * numbers.DAYS,
        numbers.SERIALS * numbers.DAYS * numbers.MONTHS,
    )
    here = numbers.slot(seed, family)

    other_serial = numbers.slot(seed, turned(family, 1, numbers.SERIALS, step))
    other_day = numbers.slot(seed, turned(family, day, numbers.DAYS, step))
    other_month = numbers.slot(seed, turned(family, month, numbers.MONTHS, step))
    other_year = numbers.slot(seed, turned(family, year, len(numbers.FATHER_YEARS), step))

    assert other_serial.serial != here.serial
    assert other_day.serial == here.serial
    assert all(a != b for a, b in zip(other_day.days, here.days, strict=True))
    assert (other_month.serial, other_month.days) == (here.serial, here.days)
    assert all(a != b for a, b in zip(other_month.months, here.months, strict=True))
    assert (other_year.serial, other_year.days, other_year.months) == (here.serial, here.days, here.months)
    assert other_year.father_year != here.father_year
    assert other_year.free.random() == here.free.random()


def turned(family, place, radix, step):
    """The ordinal with the digit at that place turned to another."""
    digit = family // place % radix
    return family + ((digit + 1 + step % (radix - 1)) % radix - digit) * place


@given(seed=SEEDS)
@settings(max_examples=5, deadline=None)
def test_neighbours_have_serials_of_their_own(seed):
    """As many families in a row as there are serials each have another."""
    serials = {numbers.slot(seed, family).serial for family in range(numbers.SERIALS)}

    assert len(serials) == numbers.SERIALS


def test_every_governorate_has_people():
    """A few thousand people are enough to meet all 27 governorates and those born abroad."""
    crowd = list(people(1, 4000))

    assert {person.birth_governorate for person in crowd} == PLACES
    assert {person.governorate for person in crowd} == PLACES - {"88"}


def test_families_hang_together():
    """Children carry their father's names and their mother's first name, and are younger by a generation."""
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


def test_a_population_has_an_end():
    """Beyond its capacity the generator says so instead of repeating a number."""
    with pytest.raises(ValueError, match="ordinal"):
        numbers.slot(1, numbers.CAPACITY_FAMILIES)


def test_the_command_writes_one_person_a_line(tmp_path):
    """`python -m population` writes the same people as the library gives."""
    out = tmp_path / "people.ndjson"

    subprocess.run(
        [sys.executable, "-m", "population", "--seed", "5", "--count", "12", "--out", str(out)], check=True
    )

    written = [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]
    assert [line["national_id"] for line in written] == [person.national_id for person in people(5, 12)]


def folded(name):
    """The name without what a hand may change, in our own words."""
    bare = "".join(c for c in unicodedata.normalize("NFD", name) if not unicodedata.combining(c) and c != "ـ")
    return " ".join(bare.replace("ة", "ه").replace("ى", "ي").split())


@given(st.sampled_from([person.full_name for person in people(3, 400)]))
def test_variants_differ_in_writing_only(name):
    """Each variant is another string that folds to the same name."""
    variants = list(spelling_variants(name))

    assert variants
    assert name not in variants
    assert len(set(variants)) == len(variants)
    assert {folded(variant) for variant in variants} == {folded(name)}
