"""Traces as Jaeger's query interface gives them."""

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
    """A span and the resource that it came from."""

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
    """The query interface at `url`."""

    url: str

    def having(self, service: str, attributes: dict[str, str]) -> set[str]:
        """Ids of the traces with a span of the service that has these attributes."""
        query = {"service": service, "tags": json.dumps(attributes), "limit": 20}
        return {trace["traceID"] for trace in self._get(f"/api/traces?{urlencode(query)}")}

    def trace(self, trace_id: str) -> list[Span]:
        """All spans of a trace, once no more arrive."""
        give_up = time.monotonic() + TIMEOUT_SECONDS
        before = -1
        while time.monotonic() < give_up:
            (trace,) = self._get(f"/api/traces/{trace_id}")
            if len(trace["spans"]) == before:
                return [span_of(span, trace["processes"]) for span in trace["spans"]]
            before = len(trace["spans"])
            time.sleep(SETTLE_SECONDS)
        raise TimeoutError(f"spans of {trace_id} were still arriving after {TIMEOUT_SECONDS:.0f} s")

    def traces(self, services: Iterable[str]) -> list[list[Span]]:
        """All traces with a span of one of these services, once no more spans arrive."""
        give_up = time.monotonic() + TIMEOUT_SECONDS
        before = -1
        while time.monotonic() < give_up:
            found = {
                trace["traceID"]: [span_of(span, trace["processes"]) for span in trace["spans"]]
                for service in services
                for trace in self._get(f"/api/traces?{urlencode({'service': service, 'limit': LIMIT})}")
            }
            assert len(found) < LIMIT, "there are more traces than were asked for"
            spans = sum(map(len, found.values()))
            if spans == before:
                return list(found.values())
            before = spans
            time.sleep(SETTLE_SECONDS)
        raise TimeoutError(f"spans were still arriving after {TIMEOUT_SECONDS:.0f} s")

    def _get(self, path: str) -> list[Any]:
        with urllib.request.urlopen(self.url + path, timeout=20) as answer:
            return list(json.load(answer)["data"])


def span_of(said: dict[str, Any], processes: dict[str, Any]) -> Span:
    process = processes[said["processID"]]
    parents = [ref["spanID"] for ref in said["references"] if ref["refType"] == "CHILD_OF"]
    return Span(
        id=said["spanID"],
        parent=parents[0] if parents else "",
        name=said["operationName"],
        attributes=values_of(said["tags"]),
        resource={"service.name": process["serviceName"]} | values_of(process["tags"]),
    )


def values_of(tags: list[dict[str, Any]]) -> dict[str, Any]:
    return {tag["key"]: tag["value"] for tag in tags}
