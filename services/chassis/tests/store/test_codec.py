"""The codec: dataclasses are encoded as documents and decoded again."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta, timezone
from enum import Enum, StrEnum
from typing import Any

import bson
import pytest
from chassis.store import Unstorable, dataclass_codec
from chassis.store.document import OPTIONS
from hypothesis import given
from hypothesis import strategies as st


class Colour(StrEnum):
    RED = "red"
    BLUE = "blue"


class Level(Enum):
    LOW = 1
    HIGH = 2


@dataclass(frozen=True)
class Part:
    name: str
    level: Level = Level.LOW
    parts: tuple["Part", ...] = ()


@dataclass(frozen=True)
class Whole:
    text: str
    raw: bytes
    count: int
    flag: bool
    at: datetime
    day: date
    colour: Colour
    part: Part
    maybe: Part | None
    many: tuple[int, ...]
    pair: tuple[str, date]
    some: frozenset[Colour]
    by_name: dict[str, Part]
    by_colour: Mapping[Colour, tuple[int, ...]]
    later: datetime | None = None


whole = dataclass_codec(Whole)

texts = st.text(alphabet=st.characters(exclude_categories=["Cs"]))
keys = st.text(alphabet=st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
parts = st.recursive(
    st.builds(Part, texts, st.sampled_from(Level)),
    lambda inner: st.builds(Part, texts, st.sampled_from(Level), st.lists(inner, max_size=2).map(tuple)),
    max_leaves=4,
)
moments = st.datetimes(
    min_value=datetime.fromisoformat("1900-01-01"),
    max_value=datetime.fromisoformat("2200-01-01"),
    timezones=st.just(UTC),
).map(lambda moment: moment.replace(microsecond=moment.microsecond // 1000 * 1000))
wholes = st.builds(
    Whole,
    text=texts,
    raw=st.binary(),
    count=st.integers(-(2**63), 2**63 - 1),
    flag=st.booleans(),
    at=moments,
    day=st.dates(),
    colour=st.sampled_from(Colour),
    part=parts,
    maybe=st.none() | parts,
    many=st.lists(st.integers(-(2**63), 2**63 - 1)).map(tuple),
    pair=st.tuples(texts, st.dates()),
    some=st.frozensets(st.sampled_from(Colour)),
    by_name=st.dictionaries(keys, parts, max_size=3),
    by_colour=st.dictionaries(st.sampled_from(Colour), st.lists(st.integers(0, 9)).map(tuple)),
    later=st.none() | moments,
)


def through_bson(document: dict[str, Any]) -> dict[str, Any]:
    return bson.decode(bson.encode(document), OPTIONS)


@given(wholes)
def test_a_state_survives_a_round_trip(state: Whole) -> None:
    """The document is converted to BSON and back."""
    assert whole.decode(through_bson(whole.encode(state))) == state


def test_time_is_kept_in_utc_to_the_millisecond() -> None:
    """A time of another zone is converted to UTC and truncated to the store's resolution."""

    @dataclass(frozen=True)
    class Timed:
        at: datetime

    codec = dataclass_codec(Timed)
    cairo = timezone(timedelta(hours=2))

    decoded = codec.decode(
        through_bson(codec.encode(Timed(datetime(2024, 3, 1, 11, 0, 0, 123456, tzinfo=cairo))))
    )

    assert decoded.at == datetime(2024, 3, 1, 9, 0, 0, 123000, tzinfo=UTC)
    assert decoded.at.tzinfo is UTC


def test_a_time_without_a_zone_is_refused() -> None:
    """Its moment would be ambiguous."""

    @dataclass(frozen=True)
    class Timed:
        at: datetime

    with pytest.raises(Unstorable):
        dataclass_codec(Timed).encode(Timed(datetime(2024, 3, 1)))  # noqa: DTZ001 - the case under test


def test_documents_of_other_versions_are_decoded() -> None:
    """Unknown fields are ignored, missing ones get their defaults, and one without a default is an error."""

    @dataclass(frozen=True)
    class Grown:
        name: str
        colour: Colour = Colour.RED
        notes: dict[str, str] = field(default_factory=dict)

    codec = dataclass_codec(Grown)

    assert codec.decode({"name": "n", "gone": 1}) == Grown("n")
    with pytest.raises(Unstorable, match="name"):
        codec.decode({"colour": "red"})


def test_errors_contain_no_value() -> None:
    """Neither the text nor the cause of the error contains the stored value."""
    with pytest.raises(Unstorable) as caught:
        dataclass_codec(Part).decode({"name": "n", "level": "29001011234567"})

    assert "29001011234567" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_an_unsupported_type_is_refused() -> None:
    """The error occurs when the codec is created, not at the first save."""

    @dataclass(frozen=True)
    class Priced:
        price: float

    with pytest.raises(TypeError, match="float"):
        dataclass_codec(Priced)
