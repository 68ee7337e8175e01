"""The collector of spans: it receives OTLP over HTTP and returns traces."""

import json
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request

import pytest
from embedded.rabbit import free_ports
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.trace import SpanKind, Status, StatusCode, format_span_id, format_trace_id


@pytest.fixture(scope="module")
def spans_file(tmp_path_factory):
    return tmp_path_factory.mktemp("collector") / "spans.ndjson"


@pytest.fixture(scope="module")
def url(spans_file):
    """A collector in a process of its own."""
    (port,) = free_ports(1)
    command = [sys.executable, "-m", "sandbox.collector", "--port", str(port), "--spans", str(spans_file)]
    with subprocess.Popen(command) as process:
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.05)
        yield f"http://127.0.0.1:{port}"
        process.terminate()


def get(url):
    with urllib.request.urlopen(url, timeout=30) as response:
        return json.load(response)


def post(url, body, headers=None):
    request = urllib.request.Request(url, data=body, headers=headers or {}, method="POST")
    with urllib.request.urlopen(request, timeout=30) as response:
        return response.status


@pytest.mark.parametrize("compression", [Compression.NoCompression, Compression.Gzip])
def test_a_trace_is_returned_as_it_was_sent(url, spans_file, compression):
    """The API and the file hold names, services, kinds, parents, attributes and errors of all spans."""
    provider = TracerProvider(resource=Resource.create({"service.name": "notary"}))
    provider.add_span_processor(
        SimpleSpanProcessor(OTLPSpanExporter(f"{url}/v1/traces", compression=compression))
    )
    tracer = provider.get_tracer("test")
    attributes = {"request": compression.value, "n": 2}
    with (
        tracer.start_as_current_span("outer", kind=SpanKind.SERVER) as outer,
        tracer.start_as_current_span("inner", attributes=attributes) as inner,
    ):
        inner.set_status(Status(StatusCode.ERROR))
    trace_id = format_trace_id(outer.get_span_context().trace_id)

    spans = {span["name"]: span for span in get(f"{url}/traces/{trace_id}")}

    assert set(spans) == {"outer", "inner"}
    assert {span["service"] for span in spans.values()} == {"notary"}
    assert spans["outer"]["kind"] == "SERVER"
    assert spans["outer"]["parent"] == ""
    assert spans["inner"]["parent"] == format_span_id(outer.get_span_context().span_id)
    assert spans["inner"]["attributes"] == {"request": compression.value, "n": 2}
    assert (spans["outer"]["error"], spans["inner"]["error"]) == (False, True)
    assert (
        spans["outer"]["start"] <= spans["inner"]["start"] <= spans["inner"]["end"] <= spans["outer"]["end"]
    )
    assert get(f"{url}/traces?request={compression.value}&n=2") == [trace_id]
    lines = [json.loads(line) for line in spans_file.read_text().splitlines()]
    assert {line["name"] for line in lines if line["trace"] == trace_id} == {"outer", "inner"}


def test_an_unknown_trace_has_no_spans(url):
    """A search for an attribute that no span has returns no trace."""
    assert get(f"{url}/traces/{'0' * 32}") == []
    assert get(f"{url}/traces?request=nobody") == []


@pytest.mark.parametrize("signal", ["metrics", "logs"])
def test_metrics_and_logs_are_accepted_and_dropped(url, signal):
    """A program that exports all three signals receives no error."""
    assert post(f"{url}/v1/{signal}", b"anything") == 200


@pytest.mark.parametrize("headers", [{}, {"Content-Encoding": "gzip"}])
def test_an_invalid_body_is_refused(url, headers):
    """The answer is 400, and the collector keeps serving."""
    with pytest.raises(urllib.error.HTTPError) as refused:
        post(f"{url}/v1/traces", b"\xff\xff no protobuf", headers)

    assert refused.value.code == 400
    assert get(f"{url}/traces?request=nobody") == []
