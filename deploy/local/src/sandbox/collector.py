"""A collector of spans for trials: receives OTLP over HTTP, keeps the spans, and returns traces as JSON.

POST /v1/traces          OTLP as protobuf, plain or gzip; /v1/metrics and /v1/logs are accepted and dropped
GET  /traces/<trace id>  the spans of a trace
GET  /traces?key=value   ids of the traces with a span that has these attributes
"""

import argparse
import gzip
import json
import signal
import sys
import threading
import zlib
from collections import OrderedDict
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2
from opentelemetry.proto.common.v1 import common_pb2
from opentelemetry.proto.trace.v1 import trace_pb2

TRACES_MAX = 20_000
BODY_BYTES_MAX = 16_000_000
FILE_BYTES_MAX = 200_000_000


class Spans:
    """Spans by trace, also appended to a file, one per line. Beyond TRACES_MAX the oldest trace is dropped."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("a", encoding="utf-8")
        self._traces: OrderedDict[str, list[dict[str, Any]]] = OrderedDict()
        self._lock = threading.Lock()

    def add(self, request: trace_service_pb2.ExportTraceServiceRequest) -> None:
        with self._lock:
            for resource in request.resource_spans:
                attributes = {pair.key: value_of(pair.value) for pair in resource.resource.attributes}
                for scope in resource.scope_spans:
                    for span in scope.spans:
                        self._add(span, attributes)
            self._file.flush()

    def _add(self, span: trace_pb2.Span, resource: dict[str, Any]) -> None:
        trace_id = span.trace_id.hex()
        fields = as_dict(span, resource)
        self._traces.setdefault(trace_id, []).append(fields)
        while len(self._traces) > TRACES_MAX:
            self._traces.popitem(last=False)
        if self._file.tell() < FILE_BYTES_MAX:
            self._file.write(json.dumps({"trace": trace_id, **fields}, ensure_ascii=False) + "\n")

    def trace(self, trace_id: str) -> list[dict[str, Any]]:
        with self._lock:
            return list(self._traces.get(trace_id, []))

    def find(self, attributes: dict[str, str]) -> list[str]:
        with self._lock:
            return [
                trace_id
                for trace_id, spans in self._traces.items()
                if any(all(str(s["attributes"].get(k)) == v for k, v in attributes.items()) for s in spans)
            ]


def as_dict(span: trace_pb2.Span, resource: dict[str, Any]) -> dict[str, Any]:
    """Convert a span to a dict; `resource` holds the attributes of its resource. Times are in nanoseconds."""
    return {
        "id": span.span_id.hex(),
        "parent": span.parent_span_id.hex(),
        "name": span.name,
        "service": str(resource.get("service.name", "")),
        "kind": trace_pb2.Span.SpanKind.Name(span.kind).removeprefix("SPAN_KIND_"),
        "start": span.start_time_unix_nano,
        "end": span.end_time_unix_nano,
        "error": span.status.code == trace_pb2.Status.STATUS_CODE_ERROR,
        "attributes": {pair.key: value_of(pair.value) for pair in span.attributes},
        "links": [link.trace_id.hex() for link in span.links],
        "events": [
            {"name": event.name, **{pair.key: value_of(pair.value) for pair in event.attributes}}
            for event in span.events
        ],
    }


def value_of(value: common_pb2.AnyValue) -> Any:
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return [value_of(each) for each in value.array_value.values]
    return getattr(value, kind) if kind else None


class Handler(BaseHTTPRequestHandler):
    """Receives and returns spans."""

    protocol_version = "HTTP/1.1"
    spans: Spans

    def do_POST(self) -> None:
        length = int(self.headers.get("Content-Length", 0))
        if length > BODY_BYTES_MAX:
            self._respond(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, b"")
            return
        body = self.rfile.read(length)
        try:
            if self.headers.get("Content-Encoding") == "gzip":
                body = gzip.decompress(body)
            if self.path == "/v1/traces":
                self.spans.add(trace_service_pb2.ExportTraceServiceRequest.FromString(body))
        except (OSError, EOFError, zlib.error, DecodeError):
            self._respond(HTTPStatus.BAD_REQUEST, b"the body is not OTLP as protobuf, plain or gzip")
            return
        self._respond(HTTPStatus.OK, b"", "application/x-protobuf")

    def do_GET(self) -> None:
        address = urlsplit(self.path)
        if address.path == "/traces":
            result: list[Any] = self.spans.find(dict(parse_qsl(address.query)))
        else:
            result = self.spans.trace(address.path.removeprefix("/traces/"))
        self._respond(HTTPStatus.OK, json.dumps(result, ensure_ascii=False).encode(), "application/json")

    def _respond(self, status: HTTPStatus, body: bytes, kind: str = "text/plain") -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Log nothing."""


def main() -> None:
    """Serve until SIGTERM."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument(
        "--spans", type=Path, required=True, help="file to which spans are appended as JSON lines"
    )
    options = parser.parse_args()
    signal.signal(
        signal.SIGTERM, lambda *_: sys.exit(0)
    )  # process 1 of a container has no default action for it
    Handler.spans = Spans(options.spans)
    ThreadingHTTPServer((options.host, options.port), Handler).serve_forever()


if __name__ == "__main__":
    main()
