"""The distribution of tests among parallel processes, and the summary of their duration by folder."""

from collections import defaultdict
from typing import Any

import pytest
from hypothesis import settings
from xdist.scheduler import LoadFileScheduling

# The duration of an example depends more on the machine than on the code.
settings.register_profile("diwan", deadline=None)
settings.load_profile("diwan")

pytest_plugins = ("testkit.fixtures",)

# Files that share programs which start slowly. Each further process would start them again.
TOGETHER = {
    "the stack": ("tests/guards/", "tests/test_audience.py", "tests/test_journey.py", "tests/test_parked.py"),
    "the stack that is broken": ("tests/test_faults.py", "deploy/local/tests/test_stack.py"),
    # One running service for the whole folder, whose log and telemetry belong to the process.
    "identity": ("services/identity/tests/",),
    "the broker that is stopped": (
        "services/chassis/tests/messaging/test_relay.py",
        "services/payments/tests/connectors/",
        "services/notification/tests/connectors/",
    ),
}
# Files with long durations: they start first, because a late start would prolong the whole run.
LONG = (
    *(path for name, paths in TOGETHER.items() if name != "identity" for path in paths),
    "services/notary/tests/test_document_renderer.py",
    "tests/charts/test_values.py",
    "tests/test_new_service.py",
)


class FileGroups(LoadFileScheduling):  # type: ignore[misc]  # xdist has no types
    """Runs each file, and each group of files in TOGETHER, in one process, because their fixtures are shared."""

    def _split_scope(self, nodeid: str) -> str:
        together = (name for name, paths in TOGETHER.items() if nodeid.startswith(paths))
        return next(together, "") or str(super()._split_scope(nodeid))


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> FileGroups:
    """Return the scheduler; a hook of xdist."""
    return FileGroups(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Move the files in LONG to the front, in the order of that list."""
    items.sort(
        key=lambda item: next((n for n, path in enumerate(LONG) if item.nodeid.startswith(path)), len(LONG))
    )


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the seconds of tests and fixtures by folder; their sum over parallel processes exceeds the elapsed time."""
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
