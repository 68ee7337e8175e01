"""Limits of open connections."""

import pytest
from chassis.connections import Connection, OpenConnections
from hypothesis import given
from hypothesis import strategies as st


class Scene:
    """Open connections, and the names of those that were aborted."""

    def __init__(self, total: int, per_address: int) -> None:
        self.open = OpenConnections(total, per_address)
        self.aborted: list[str] = []

    def add(self, name: str, address: str, *, busy: bool = False) -> bool:
        """Add a connection; return whether it was admitted."""
        return self.open.add(Connection(address, lambda: self.aborted.append(name), busy=busy))


def test_the_oldest_connection_of_a_crowded_address_makes_room() -> None:
    """Other addresses are not affected."""
    scene = Scene(10, 2)

    assert all(scene.add(f"{address}{number}", address) for number in range(3) for address in "ab")

    assert scene.aborted == ["a0", "b0"]


def test_a_full_server_cuts_the_address_with_most_connections() -> None:
    """A newcomer from a quiet address is admitted."""
    scene = Scene(3, 3)
    for name, address in (("quiet", "b"), ("a0", "a"), ("a1", "a"), ("new", "c")):
        assert scene.add(name, address)

    assert scene.aborted == ["a0"]


def test_a_busy_connection_is_not_cut() -> None:
    """If all are busy, the newcomer is refused and counts nowhere."""
    scene = Scene(10, 2)
    scene.add("busy", "a", busy=True)
    scene.add("idle", "a")
    assert scene.add("second", "a", busy=True)

    assert not scene.add("third", "a")
    assert scene.aborted == ["idle"]
    assert len(scene.open) == 2


def test_a_removed_connection_makes_room_once() -> None:
    """A second removal changes nothing."""
    scene = Scene(10, 1)
    first = Connection("a", lambda: pytest.fail("was not open any more"))
    scene.open.add(first)
    scene.open.remove(first)
    scene.open.remove(first)

    assert scene.add("next", "a")
    assert len(scene.open) == 1


@given(st.lists(st.tuples(st.sampled_from("abc"), st.booleans()), max_size=60))
def test_the_limits_hold_after_any_sequence(arrivals: list[tuple[str, bool]]) -> None:
    """Each admitted connection is open until it was aborted."""
    scene = Scene(5, 3)
    admitted = sum(scene.add(str(n), address, busy=busy) for n, (address, busy) in enumerate(arrivals))

    assert len(scene.open) == admitted - len(scene.aborted) <= 5
