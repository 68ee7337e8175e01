"""Backoff between tries."""

from chassis.backoff import Backoff
from hypothesis import given
from hypothesis import strategies as st


@given(st.floats(0.001, 1), st.floats(1, 60))
def test_pauses_grow_to_the_longest_and_begin_anew(first: float, longest: float) -> None:
    """Each between half and the whole of its length, none longer than the longest."""
    backoff = Backoff(first, longest)

    for lengths in (first * 2.0**number for number in range(20)):
        whole = min(lengths, longest)
        assert whole / 2 <= backoff.next() <= whole
    backoff.reset()

    assert first / 2 <= backoff.next() <= first
