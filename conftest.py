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

# Files that share what is dear to start. In another process it would be started again.
TOGETHER = {
    "the stack": ("tests/guards/", "tests/test_audience.py", "tests/test_journey.py"),
    "the stack that is broken": ("tests/test_faults.py", "deploy/local/tests/test_stack.py"),
    "the broker that is stopped": (
        "services/chassis/tests/messaging/test_relay.py",
        "services/payments/tests/connectors/",
        "services/notification/tests/connectors/",
    ),
}
# Begun last, one of these would keep all waiting for its end.
LONG = (
    *(path for paths in TOGETHER.values() for path in paths),
    "services/notary/tests/test_document_renderer.py",
    "tests/charts/test_values.py",
    "tests/test_new_service.py",
)


class Rooms(LoadFileScheduling):  # type: ignore[misc]  # xdist has no types
    """Files stay whole, for what their fixtures start."""

    def _split_scope(self, nodeid: str) -> str:
        together = (name for name, paths in TOGETHER.items() if nodeid.startswith(paths))
        return next(together, "") or str(super()._split_scope(nodeid))


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Rooms:
    """Called by xdist."""
    return Rooms(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The long ones go first, in the order of their list."""
    items.sort(
        key=lambda item: next((n for n, path in enumerate(LONG) if item.nodeid.startswith(path)), len(LONG))
    )


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
