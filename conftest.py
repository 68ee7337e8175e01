"""How the tests are shared out among processes that run side by side, and what each room of them took."""

from collections import defaultdict
from typing import Any

import pytest
from hypothesis import settings
from xdist.scheduler import LoadFileScheduling

# How long an example takes says more of the machine than of the code.
settings.register_profile("diwan", deadline=None)
settings.load_profile("diwan")

pytest_plugins = ("testkit.fixtures",)

# They meet on one embedded stack with one journey on it (tests/conftest.py), which a second process would start again.
ON_THE_STACK = ("tests/guards/", "tests/test_audience.py", "tests/test_journey.py")
# Begun last, one of these would keep all waiting for its end.
LONG = (
    *ON_THE_STACK,
    "tests/test_faults.py",
    "tests/charts/test_values.py",
    "deploy/local/tests/test_stack.py",
    "services/notary/tests/test_document_renderer.py",
)


class Rooms(LoadFileScheduling):  # type: ignore[misc]  # xdist has no types
    """Files stay whole, for what their fixtures start."""

    def _split_scope(self, nodeid: str) -> str:
        return "the stack" if nodeid.startswith(ON_THE_STACK) else str(super()._split_scope(nodeid))


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Rooms:
    """Called by xdist."""
    return Rooms(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The long ones go first."""
    items.sort(key=lambda item: not item.nodeid.startswith(LONG))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Seconds in tests and their fixtures, room by room; side by side they add up to more than the clock's."""
    seconds: dict[str, float] = defaultdict(float)
    tests: dict[str, set[str]] = defaultdict(set)
    for report in (each for reports in terminalreporter.stats.values() for each in reports):
        if isinstance(report, pytest.TestReport):
            room = "/".join(report.nodeid.partition("::")[0].split("/")[:2])
            seconds[room] += report.duration
            tests[room].add(report.nodeid)
    terminalreporter.section("seconds by room")
    for room in sorted(seconds, key=lambda room: seconds[room], reverse=True):
        terminalreporter.write_line(f"{seconds[room]:7.1f} s  {len(tests[room]):5} tests  {room}")
