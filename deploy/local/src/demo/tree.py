"""A trace as a tree: each span below its parent."""

import json
import time
import urllib.request
from collections import defaultdict
from dataclasses import dataclass
from typing import Any

SETTLE_SECONDS = 1.0
TIMEOUT_SECONDS = 60.0


@dataclass(frozen=True)
class Span:
    """A finished span, as the collector returns it. Times are in nanoseconds since the epoch."""

    id: str
    parent: str
    name: str
    service: str
    kind: str
    start: int
    end: int
    error: bool
    attributes: dict[str, Any]
    links: list[str]
    events: list[dict[str, Any]]

    @property
    def milliseconds(self) -> float:
        return (self.end - self.start) / 1e6


def fetch(traces_url: str, trace_id: str, settle_seconds: float = SETTLE_SECONDS) -> list[Span]:
    """Return all spans of a trace, once no more have arrived for `settle_seconds`.

    Raises:
        TimeoutError: spans were still arriving after a minute, or none arrived.
    """
    deadline = time.monotonic() + TIMEOUT_SECONDS
    last_count = -1
    while time.monotonic() < deadline:
        with urllib.request.urlopen(f"{traces_url}/traces/{trace_id}", timeout=10) as response:  # noqa: S310  our own stack
            spans = [Span(**span) for span in json.load(response)]
        if spans and len(spans) == last_count:
            return spans
        last_count = len(spans)
        time.sleep(settle_seconds)
    raise TimeoutError(f"the trace was not complete within {TIMEOUT_SECONDS:.0f} s")


def orphans(spans: list[Span]) -> list[Span]:
    """Return the spans whose parent is not in the trace: only the root, when the trace is connected."""
    ids = {span.id for span in spans}
    return [span for span in spans if span.parent not in ids]


def draw(spans: list[Span], depth_limit: int = 14) -> list[str]:
    """Draw the tree as lines; of siblings with the same name and service three are drawn and the rest is counted."""
    children: dict[str, list[Span]] = defaultdict(list)
    ids = {span.id for span in spans}
    for span in sorted(spans, key=lambda s: s.start):
        children[span.parent if span.parent in ids else ""].append(span)
    lines: list[str] = []

    def visit(span: Span, prefix: str, last: bool, depth: int) -> None:
        branch = "" if depth == 0 else ("└─ " if last else "├─ ")
        fault = "  ✗" if span.error else ""
        lines.append(f"{prefix}{branch}{span.service}: {span.name}  {span.milliseconds:.1f} ms{fault}")
        if depth >= depth_limit:
            return
        below = prefix + ("" if depth == 0 else ("   " if last else "│  "))
        visit_all(children[span.id], below, depth + 1)

    def visit_all(siblings: list[Span], prefix: str, depth: int) -> None:
        counts: dict[tuple[str, str], int] = defaultdict(int)
        shown: list[Span] = []
        for span in siblings:
            counts[span.service, span.name] += 1
            if counts[span.service, span.name] <= 3:
                shown.append(span)
        more = [(key, count - 3) for key, count in counts.items() if count > 3]
        for index, span in enumerate(shown):
            visit(span, prefix, index == len(shown) - 1 and not more, depth)
        for index, ((service, name), count) in enumerate(more):
            branch = "└─ " if index == len(more) - 1 else "├─ "
            lines.append(f"{prefix}{branch}{service}: {name}  … {count} more like it")

    visit_all(children[""], "", 0)
    return lines
