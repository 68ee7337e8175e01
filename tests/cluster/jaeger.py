"""A client of Jaeger's query API."""

import json
import time
import urllib.request
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

SETTLE_SECONDS = 2.0
TIMEOUT_SECONDS = 40.0
LIMIT = 1500


@dataclass(frozen=True)
class Span:
    """A span with its attributes and those of its resource."""

    id: str
    parent: str
    name: str
    attributes: dict[str, Any]
    resource: dict[str, Any]

    @property
    def service(self) -> str:
        return str(self.resource["service.name"])


@dataclass(frozen=True)
class Jaeger:
    """The query API at `url`."""

    url: str

    def find(self, service: str, attributes: dict[str, str]) -> set[str]:
        """Return the ids of the traces with a span of the service that has these attributes."""
        query = {"service": service, "tags": json.dumps(attributes), "limit": 20}
        return {trace["traceID"] for trace in self._get(f"/api/traces?{urlencode(query)}")}

    def trace(self, trace_id: str) -> list[Span]:
        """Return all spans of a trace, once no more arrive; TimeoutError when they keep arriving."""
        deadline = time.monotonic() + TIMEOUT_SECONDS
        last_count = -1
        while time.monotonic() < deadline:
            (trace,) = self._get(f"/api/traces/{trace_id}")
            if len(trace["spans"]) == last_count:
                return [span_of(span, trace["processes"]) for span in trace["spans"]]
            last_count = len(trace["spans"])
            time.sleep(SETTLE_SECONDS)
        raise TimeoutError(f"spans of {trace_id} were still arriving after {TIMEOUT_SECONDS:.0f} s")

    def traces(self, services: Iterable[str]) -> list[list[Span]]:
        """Return all traces with a span of one of these services, once no more spans arrive."""
        deadline = time.monotonic() + TIMEOUT_SECONDS
        last_count = -1
        while time.monotonic() < deadline:
            traces = {
                trace["traceID"]: [span_of(span, trace["processes"]) for span in trace["spans"]]
                for service in services
                for trace in self._get(f"/api/traces?{urlencode({'service': service, 'limit': LIMIT})}")
            }
            assert len(traces) < LIMIT, "there may be more traces than the query's limit"
            count = sum(map(len, traces.values()))
            if count == last_count:
                return list(traces.values())
            last_count = count
            time.sleep(SETTLE_SECONDS)
        raise TimeoutError(f"spans were still arriving after {TIMEOUT_SECONDS:.0f} s")

    def _get(self, path: str) -> list[Any]:
        with urllib.request.urlopen(self.url + path, timeout=20) as response:
            return list(json.load(response)["data"])


def span_of(data: dict[str, Any], processes: dict[str, Any]) -> Span:
    process = processes[data["processID"]]
    parents = [ref["spanID"] for ref in data["references"] if ref["refType"] == "CHILD_OF"]
    return Span(
        id=data["spanID"],
        parent=parents[0] if parents else "",
        name=data["operationName"],
        attributes=values_of(data["tags"]),
        resource={"service.name": process["serviceName"]} | values_of(process["tags"]),
    )


def values_of(tags: list[dict[str, Any]]) -> dict[str, Any]:
    return {tag["key"]: tag["value"] for tag in tags}
