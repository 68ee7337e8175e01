from dataclasses import replace
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st
from notary.model import errors
from notary.model.content import (
    CROCKFORD,
    Kind,
    Office,
    crockford,
    is_plain_arabic,
    masked_name,
    number_of,
    office_for,
)

from .samples import AGENT, CONTENT, PRINCIPAL, with_terms

letters = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)


def test_digest_is_sha256_of_the_versioned_canonical_form():
    """The digest can be computed again from the content."""
    canonical = CONTENT.canonical()

    assert b'"version":"diwan.notary.power_of_attorney/1"' in canonical
    assert sha256(canonical).hexdigest() == CONTENT.digest()


def test_digest_does_not_change_between_releases():
    """A confirmation stays valid for its draft after an upgrade."""
    assert CONTENT.digest() == "b2eb4bd44f0c359698a92dd5c36172effd916f735f399de5324371be1eece873"


@pytest.mark.parametrize(
    "changed",
    [
        replace(CONTENT, draft_id="another"),
        replace(CONTENT, kind=Kind.BANK),
        replace(CONTENT, governorate="02"),
        replace(CONTENT, terms=()),
        replace(CONTENT, terms=(*CONTENT.terms, "")),
        replace(CONTENT, special_terms=CONTENT.terms, terms=CONTENT.special_terms),
        replace(CONTENT, principal=AGENT, agent=PRINCIPAL),
        replace(CONTENT, agent=replace(AGENT, national_id="29505050105679")),
        replace(CONTENT, agent=replace(AGENT, full_name="فاطمه إبراهيم سيد")),
        replace(CONTENT, agent=replace(AGENT, account_id="account-3")),
        replace(CONTENT, agent=replace(AGENT, person_id="person-3")),
    ],
)
def test_every_part_of_the_content_is_in_the_digest(changed):
    """No part can change without the principal's confirmation."""
    assert changed.digest() != CONTENT.digest()


@given(term=letters, position=st.integers(0, 30), letter=st.characters(exclude_categories=["Cs"]))
def test_one_more_letter_changes_the_digest(term, position, letter):
    """Any letter is inserted at any position."""
    longer = term[:position] + letter + term[position:]

    assert with_terms(term).digest() != with_terms(longer).digest()


@given(first=st.lists(letters, max_size=4), second=st.lists(letters, max_size=4))
def test_different_terms_have_different_digests(first, second):
    """Two lists of terms have the same digest only if they are equal."""
    same = with_terms(*first).digest() == with_terms(*second).digest()

    assert same == (first == second)


@given(first=letters, second=letters)
def test_a_term_cannot_be_moved_between_the_catalogue_and_the_citizen(first, second):
    """The origin of a term is part of the content."""
    one = replace(CONTENT, terms=(first, second), special_terms=())
    other = replace(CONTENT, terms=(first,), special_terms=(second,))

    assert one.digest() != other.digest()


@given(st.uuids(version=5), st.integers(2024, 2999), st.integers(0, 5))
def test_numbers_have_the_printed_form(draft_id, year, attempt):
    """The verification form accepts this form."""
    number = number_of(str(draft_id), year, attempt)

    prefix, number_year, suffix = number.split("-")
    assert (prefix, int(number_year), len(suffix)) == ("PA", year, 8)
    assert set(suffix) <= set(CROCKFORD)
    assert number == number_of(str(draft_id), year, attempt)


def test_the_next_attempt_gives_another_number():
    """Each attempt after a taken number uses a new one."""
    assert len({number_of("x", 2026, attempt) for attempt in range(5)}) == 5


@given(st.integers(0, 2**60 - 1))
def test_crockford_can_be_decoded(value):
    """Twelve characters hold 60 bits."""
    text = crockford(value, 12)

    decoded = 0
    for letter in text:
        decoded = decoded * 32 + CROCKFORD.index(letter)
    assert decoded == value


@pytest.mark.parametrize(
    ("name", "masked"),
    [("محمد أحمد", "م*** أ***"), ("  علي   حسن ", "ع*** ح***"), ("ا", "ا***"), ("", "")],
)
def test_masked_names_show_only_first_letters(name, masked):
    """A third party sees the first letter of each word."""
    assert masked_name(name) == masked


@pytest.mark.parametrize(
    ("term", "is_plain"),
    [
        ("للوكيل حق البيع، بند ٣.", True),
        ("حق الوكيل في بنك HSBC", True),
        ("only latin", False),
        ("123", False),
        ("بيع\u202eالشقة", False),
        ("بيع\nالشقة", False),
        ("بيع\u200bالشقة", False),
    ],
)
def test_special_terms_are_plain_arabic(term, is_plain):
    """Invisible characters and marks that change the reading direction are refused in a legal document."""
    assert is_plain_arabic(term) is is_plain


def test_an_invalid_term_is_named_by_its_position():
    """The refusal does not contain the text of the term."""
    with pytest.raises(errors.SpecialTermInvalid) as refusal:
        with_terms("للوكيل حق البيع", "no").check()

    assert refusal.value.metadata == {"position": "1"}


@pytest.mark.parametrize(
    "agent", [replace(AGENT, person_id="person-1"), replace(AGENT, account_id="account-1")]
)
def test_the_principal_cannot_be_the_agent(agent):
    """Neither the person nor the account may be the same."""
    with pytest.raises(errors.AgentIsPrincipal):
        replace(CONTENT, agent=agent).check()


@given(st.uuids(), st.permutations([Office(f"notary-cairo-0{n}", "", "01") for n in range(1, 6)]))
def test_the_office_depends_only_on_the_case(draft_id, offices):
    """The order of the offices does not matter."""
    assert office_for(str(draft_id), offices) == office_for(
        str(draft_id), sorted(offices, key=lambda o: o.id)
    )
