"""Backoff between attempts."""

from chassis.backoff import Backoff
from hypothesis import given
from hypothesis import strategies as st


@given(st.floats(0.001, 1), st.floats(1, 60))
def test_pauses_grow_up_to_the_limit_until_a_reset(first: float, longest: float) -> None:
    """Each pause is random between half and the whole of its length."""
    backoff = Backoff(first, longest)

    for lengths in (first * 2.0**number for number in range(20)):
        whole = min(lengths, longest)
        assert whole / 2 <= backoff.next() <= whole
    backoff.reset()

    assert first / 2 <= backoff.next() <= first
