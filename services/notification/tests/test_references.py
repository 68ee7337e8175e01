"""The concatenation references of one recipient."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from notification.references import BLOCK, BLOCKS, RECENT_MAX, REUSE_AFTER, References, ReferencesExhausted
from notification.sms_text import REFERENCES

NOW = datetime(2026, 3, 1, 9, tzinfo=UTC)


def allocate(references: References, count: int, now: datetime = NOW) -> tuple[References, list[int]]:
    """Allocate for `count` messages; return the references after it, and those allocated."""
    allocated = []
    for number in range(references.allocated, references.allocated + count):
        references = references.allocate(f"m{number}", now)
        assert references.recent[-1].message_id == f"m{number}"
        allocated.append(references.recent[-1].reference)
    return references, allocated


def used_up(*last_times: datetime) -> References:
    """Return the references after whole rounds; `last_times` are those of the oldest blocks, the others are NOW."""
    return References(2 * REFERENCES, (*last_times, *[NOW] * BLOCKS)[:BLOCKS])


@pytest.fixture(scope="module")
def whole_round() -> tuple[References, list[int]]:
    """All references, allocated one by one at one time."""
    return allocate(References(), REFERENCES)


def test_a_whole_round_has_no_reference_twice(whole_round: tuple[References, list[int]]) -> None:
    """All 65,536 references are used before one is used again."""
    references, allocated = whole_round

    assert sorted(allocated) == list(range(REFERENCES))
    assert references == replace(used_up(), allocated=REFERENCES, recent=references.recent)


def test_a_message_keeps_its_reference() -> None:
    """A repeated cause allocates nothing."""
    references, (first, _) = allocate(References(), 2)

    again = references.allocate("m0", NOW)

    assert again is references
    assert again.of("m0") == first


def test_a_reference_is_not_used_again_while_its_text_may_be_under_way() -> None:
    """The refusal changes nothing; a block is free when the last of its texts has ended."""
    free, early = NOW + REUSE_AFTER, NOW - timedelta(days=1)
    references = used_up(early)

    with pytest.raises(ReferencesExhausted):
        references.allocate("more", early + REUSE_AFTER - timedelta(seconds=1))
    references, allocated = allocate(references, BLOCK, early + REUSE_AFTER)
    assert allocated == list(range(BLOCK))
    with pytest.raises(ReferencesExhausted):  # the second block was used a day later
        references.allocate("more", free - timedelta(seconds=1))
    assert allocate(references, 1, free)[1] == [BLOCK]


def test_the_latest_text_of_a_block_counts() -> None:
    """Its first text may have ended long before."""
    references, _ = allocate(References(), BLOCK - 1)
    late = NOW + timedelta(days=20)

    references, _ = allocate(references, 1, late)

    assert references.blocks == (late,)


def test_the_state_is_bounded(whole_round: tuple[References, list[int]]) -> None:
    """Neither allocations nor blocks accumulate."""
    references, _ = allocate(whole_round[0], 2 * BLOCK, NOW + REUSE_AFTER)

    assert len(references.recent) == RECENT_MAX
    assert len(references.blocks) == BLOCKS
