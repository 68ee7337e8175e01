"""Traces and metrics of a process."""

import threading
import time
from collections.abc import Iterator

import pytest
from chassis import telemetry
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode

UNSAMPLED = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00"
NATIONAL_ID = "29901011234567"


@pytest.fixture
def spans() -> Iterator[InMemorySpanExporter]:
    exporter = InMemorySpanExporter()
    processor = SimpleSpanProcessor(telemetry.MaskingExporter(exporter))
    telemetry.install(telemetry.Telemetry("trial", "1.2", instance="i-1", processors=[processor]))
    yield exporter
    telemetry.install(telemetry.Telemetry("unknown", "0"))


def test_a_span_has_the_resource_attributes(spans):
    """They are name, namespace, version and instance of the service."""
    with telemetry.span("work"):
        pass

    resource = spans.get_finished_spans()[0].resource.attributes
    assert {key: resource[key] for key in resource if key.startswith("service.")} == {
        "service.name": "trial",
        "service.namespace": "diwan",
        "service.version": "1.2",
        "service.instance.id": "i-1",
    }


def test_the_environment_adds_resource_attributes(monkeypatch):
    """OTEL_RESOURCE_ATTRIBUTES sets pod, node and version, but not the name of the service."""
    attributes = (
        "service.version=2.0,service.instance.id=ns.pod-1.c,k8s.pod.name=pod-1,k8s.node.name=a%2Cb,"
        "service.name=x"
    )
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", attributes)

    process = telemetry.Telemetry("trial", "1.2")

    expected = {
        "service.name": "trial",
        "service.namespace": "diwan",
        "service.version": "2.0",
        "service.instance.id": "ns.pod-1.c",
        "k8s.pod.name": "pod-1",
        "k8s.node.name": "a,b",
    }
    assert expected.items() <= process.provider.resource.attributes.items()
    labels = {key.replace(".", "_"): value for key, value in expected.items()}
    assert process.registry.get_sample_value("target_info", labels) == 1


def test_a_stored_traceparent_is_the_parent(spans):
    """The trace of a command continues in the events that it causes."""
    with telemetry.span("command"):
        stored = telemetry.traceparent()
    with telemetry.span("policy", parent=telemetry.parent(stored)):
        pass

    command, policy = spans.get_finished_spans()
    assert policy.parent.span_id == command.context.span_id
    assert policy.context.trace_id == command.context.trace_id


@pytest.mark.parametrize("stored", [None, "", "nonsense", "00-0-0-00"])
def test_an_invalid_traceparent_starts_a_new_root(spans, stored):
    """Also within another span, because the message came from another program."""
    with telemetry.span("receiving"), telemetry.span("policy", parent=telemetry.parent(stored)):
        pass

    policy, receiving = spans.get_finished_spans()
    assert policy.parent is None
    assert policy.context.trace_id != receiving.context.trace_id


def test_later_work_is_a_root_with_a_link(spans):
    """A retry, a timer or a replay does not extend an old trace."""
    with telemetry.span("retry", parent=telemetry.new_root(), links=telemetry.link(UNSAMPLED)):
        pass

    (span,) = spans.get_finished_spans()
    assert span.parent is None
    assert f"{span.links[0].context.span_id:016x}" == "00f067aa0ba902b7"
    assert telemetry.link("") == ()


def test_following_work_is_in_the_same_trace_unless_it_is_late(spans):
    """Late work starts a new trace with a link to the old one, or without a link if there is none."""
    for traceparent, late in ((UNSAMPLED, False), (UNSAMPLED, True), ("", True)):
        with telemetry.continue_trace("process", traceparent, late=late):
            pass

    soon, late, alone = spans.get_finished_spans()
    assert f"{soon.parent.span_id:016x}" == "00f067aa0ba902b7"
    assert soon.links == ()
    assert late.parent is None
    assert f"{late.links[0].context.span_id:016x}" == "00f067aa0ba902b7"
    assert (alone.parent, alone.links) == (None, ())


@pytest.mark.parametrize(
    ("environ", "kept"),
    [
        ({}, 1),
        ({"OTEL_TRACES_SAMPLER": "always_off"}, 0),
        ({"OTEL_TRACES_SAMPLER": "parentbased_traceidratio", "OTEL_TRACES_SAMPLER_ARG": "0"}, 0),
        ({"OTEL_TRACES_SAMPLER": "traceidratio", "OTEL_TRACES_SAMPLER_ARG": "1"}, 1),
    ],
)
def test_the_standard_variables_decide_the_sampling(monkeypatch, environ, kept):
    """The sampled flag of a caller has no effect."""
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    exporter = InMemorySpanExporter()
    telemetry.install(telemetry.Telemetry("t", "1", processors=[SimpleSpanProcessor(exporter)]))

    for flag in ("00", "01"):
        with telemetry.span("served", parent=telemetry.parent(UNSAMPLED[:-2] + flag)):
            pass

    telemetry.install(telemetry.Telemetry("unknown", "0"))
    assert len(exporter.get_finished_spans()) == 2 * kept


def test_a_failed_span_has_the_class_of_the_exception(spans):
    """The text of the exception is not in the trace."""
    with pytest.raises(ValueError, match=NATIONAL_ID), telemetry.span("work"):
        raise ValueError(NATIONAL_ID)

    (span,) = spans.get_finished_spans()
    assert (span.status.status_code, span.attributes["error.type"]) == (StatusCode.ERROR, "ValueError")
    assert NATIONAL_ID not in span.to_json()


def test_the_spans_of_a_library_are_masked_at_the_export(spans):
    """Attributes, events and status are."""

    def library():
        with telemetry.current().tracer.start_as_current_span(
            "library", attributes={"a": NATIONAL_ID}
        ) as span:
            span.set_attribute("n", int(NATIONAL_ID))
            span.set_attribute("list", [NATIONAL_ID, "ok"])
            raise RuntimeError(NATIONAL_ID)

    with pytest.raises(RuntimeError):
        library()

    (span,) = spans.get_finished_spans()
    assert NATIONAL_ID not in span.to_json()
    assert span.attributes["list"] == ["***", "ok"]
    assert "***" in span.events[0].attributes["exception.message"]


def test_a_dead_collector_does_not_delay_the_shutdown(monkeypatch):
    """Without an answer the shutdown ends at its limit."""
    import socket

    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{silent.getsockname()[1]}")
        started = telemetry.start("trial", "1")
        with telemetry.span("work"):
            pass
        start = time.monotonic()

        started.shutdown()

    assert time.monotonic() - start < telemetry.LIMIT_SECONDS + 15  # enough for a busy machine
    telemetry.install(telemetry.Telemetry("unknown", "0"))


def test_an_exporter_that_hangs_does_not_delay_the_shutdown():
    """The limit of the process applies, not that of the exporter."""
    release = threading.Event()

    class Hangs(SpanProcessor):
        def shutdown(self):
            release.wait(60)

    start = time.monotonic()

    telemetry.Telemetry("trial", "1", processors=[Hangs()]).shutdown(0.2)

    assert time.monotonic() - start < 30
    release.set()


def test_without_an_endpoint_nothing_is_exported(monkeypatch):
    """There is no exporter and no thread."""
    monkeypatch.delenv("OTEL_EXPORTER_OTLP_ENDPOINT", raising=False)

    started = telemetry.start("trial", "1")

    assert isinstance(started.provider, TracerProvider)
    processors = started.provider._active_span_processor._span_processors
    assert not any(isinstance(one, BatchSpanProcessor) for one in processors)


def test_metrics_are_exposed_for_prometheus(spans):
    """A metric that is requested twice is created once."""
    for _ in range(2):
        telemetry.current().counter("trial_things_total", "Things.", ("kind",)).labels("a").inc()
    telemetry.current().gauge("trial_age_seconds", "Age.").set(3)
    telemetry.current().histogram("trial_seconds", "Time.").observe(0.2)

    content_type, body = telemetry.exposition()

    assert content_type.startswith("text/plain")
    assert b'trial_things_total{kind="a"} 2.0' in body
    assert b"trial_age_seconds 3.0" in body
    assert b'trial_seconds_bucket{le="0.25"} 1.0' in body
    assert b"process_cpu_seconds_total" in body
