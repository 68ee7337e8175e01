"""A trace as a tree: every span under the one that caused it."""

import json
import time
import urllib.request
from collections import defaultdict
from dataclasses import dataclass
from typing import Any

SETTLE_SECONDS = 1.0
PATIENCE_SECONDS = 60.0


@dataclass(frozen=True)
class Span:
    """A finished span, as the collector gives it back. Times in nanoseconds."""

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
    """All spans of a trace, once no more arrive for so long.

    Raises:
        TimeoutError: spans were still arriving after the patience ran out, or none came at all.
    """
    give_up = time.monotonic() + PATIENCE_SECONDS
    before = -1
    while time.monotonic() < give_up:
        with urllib.request.urlopen(f"{traces_url}/traces/{trace_id}", timeout=10) as answer:  # noqa: S310  our own stack
            spans = [Span(**span) for span in json.load(answer)]
        if spans and len(spans) == before:
            return spans
        before = len(spans)
        time.sleep(settle_seconds)
    raise TimeoutError(f"the trace was not complete within {PATIENCE_SECONDS:.0f} s")


def orphans(spans: list[Span]) -> list[Span]:
    """Spans whose parent is not in the trace: the root alone, when it is connected."""
    known = {span.id for span in spans}
    return [span for span in spans if span.parent not in known]


def draw(spans: list[Span], depth_limit: int = 14) -> list[str]:
    """The tree as lines; siblings alike (same name, service) beyond three are counted on one line."""
    children: dict[str, list[Span]] = defaultdict(list)
    known = {span.id for span in spans}
    for span in sorted(spans, key=lambda s: s.start):
        children[span.parent if span.parent in known else ""].append(span)
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
        alike: dict[tuple[str, str], int] = defaultdict(int)
        shown: list[Span] = []
        for span in siblings:
            alike[span.service, span.name] += 1
            if alike[span.service, span.name] <= 3:
                shown.append(span)
        more = [(key, count - 3) for key, count in alike.items() if count > 3]
        for index, span in enumerate(shown):
            visit(span, prefix, index == len(shown) - 1 and not more, depth)
        for index, ((service, name), count) in enumerate(more):
            branch = "└─ " if index == len(more) - 1 else "├─ "
            lines.append(f"{prefix}{branch}{service}: {name}  … {count} more like it")

    visit_all(children[""], "", 0)
    return lines
