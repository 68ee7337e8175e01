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


@given(st.lists(st.floats(0, 9.9), min_size=8, max_size=20))
def test_pauses_grow_after_connections_that_were_soon_lost(lasted: list[float]) -> None:
    """However often a connection is opened."""
    now = [0.0]
    backoff = Backoff(0.1, 5, clock=lambda: now[0])

    for number, seconds in enumerate(lasted):
        backoff.opened()
        now[0] += seconds
        assert backoff.next() >= min(0.1 * 2**number, 5) / 2


def test_a_connection_that_lasted_makes_the_next_failure_a_first_one() -> None:
    """Attempts that open none do not."""
    now = [0.0]
    backoff = Backoff(0.1, 5, clock=lambda: now[0])
    for _ in range(10):
        backoff.next()
    now[0] += 100
    assert backoff.next() >= 2.5

    backoff.opened()
    now[0] += 10

    assert backoff.next() <= 0.1
