"""Distribution of the tests among the worker processes, and a summary of their durations by folder."""

from collections import defaultdict
from typing import Any

import pytest
from hypothesis import settings
from xdist.scheduler import LoadFileScheduling

# The duration of an example depends more on the machine than on the code.
settings.register_profile("diwan", deadline=None)
settings.load_profile("diwan")

pytest_plugins = ("testkit.fixtures",)

# Files that share an expensive fixture, which each further process would start again.
TOGETHER = {
    "the stack": ("tests/guards/", "tests/test_audience.py", "tests/test_journey.py"),
    "the breakable stack": ("tests/test_faults.py", "deploy/local/tests/test_stack.py"),
    "the breakable broker": (
        "services/chassis/tests/messaging/test_relay.py",
        "services/payments/tests/connectors/",
        "services/notification/tests/connectors/",
    ),
}
# Long files are started first, so that the run does not end with waiting for one of them.
LONG = (
    *(path for paths in TOGETHER.values() for path in paths),
    "services/notary/tests/test_document_renderer.py",
    "tests/charts/test_values.py",
    "tests/test_new_service.py",
)


class Scheduling(LoadFileScheduling):  # type: ignore[misc]  # xdist has no types
    """Keep each file, and each group of files above, in one process, because of their fixtures."""

    def _split_scope(self, nodeid: str) -> str:
        together = (name for name, paths in TOGETHER.items() if nodeid.startswith(paths))
        return next(together, "") or str(super()._split_scope(nodeid))


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Scheduling:
    """Return the scheduler; a hook of pytest-xdist."""
    return Scheduling(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Sort the tests of the long files first, in the order of the list."""
    items.sort(
        key=lambda item: next((n for n, path in enumerate(LONG) if item.nodeid.startswith(path)), len(LONG))
    )


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the seconds of tests and fixtures by folder; tests are concurrent, so the sum exceeds the elapsed time."""
    seconds: dict[str, float] = defaultdict(float)
    tests: dict[str, set[str]] = defaultdict(set)
    for report in (each for reports in terminalreporter.stats.values() for each in reports):
        if isinstance(report, pytest.TestReport):
            folder = "/".join(report.nodeid.partition("::")[0].split("/")[:2])
            seconds[folder] += report.duration
            tests[folder].add(report.nodeid)
    terminalreporter.section("seconds by folder")
    for folder in sorted(seconds, key=lambda folder: seconds[folder], reverse=True):
        terminalreporter.write_line(f"{seconds[folder]:7.1f} s  {len(tests[folder]):5} tests  {folder}")
