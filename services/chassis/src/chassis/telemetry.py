"""Traces and metrics, for services and connectors alike; nothing here knows gRPC.

`start` is called once at the beginning of a process. Spans leave over OTLP/HTTP when the standard variable
`OTEL_EXPORTER_OTLP_ENDPOINT` is set; metrics are shown for Prometheus from `registry()`. A caller from
outside gives us the trace's id, never the decision to record it: that is ours, by
`OTEL_TRACES_SAMPLER(_ARG)`, and the same in each of our processes, since it follows from the trace's id.
"""

import os
import re
import threading
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Final

from opentelemetry import context as otel_context
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON, ParentBased, Sampler, TraceIdRatioBased
from opentelemetry.trace import Link, Span, SpanKind, Status, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from opentelemetry.util.types import AttributeValue
from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    Info,
    generate_latest,
)
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector

from chassis import log, resource
from chassis.exceptions import failure_reason
from chassis.masks import mask_text

LIMIT_SECONDS: Final = 5
"""Longest time for one export, and for the last flush at the end though the collector is dead."""

BUCKETS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
"""Of durations, in seconds."""

SAME_TRACE_SECONDS: Final = 60
"""News that comes later than this belongs to no trace that somebody still looks at."""

_LABEL: Final = re.compile(r"[^a-zA-Z0-9_]")

_propagator: Final = TraceContextTextMapPropagator()


class Telemetry:
    """One process's tracer and metrics. Made by `start`; tests make their own with an exporter in memory."""

    def __init__(
        self, service: str, version: str, *, instance: str = "", processors: Sequence[SpanProcessor] = ()
    ) -> None:
        self.service = service
        attributes = resource.attributes(service, version, instance or str(uuid.uuid4()))
        self.provider = TracerProvider(
            resource=Resource.create(attributes), sampler=_sampler(os.environ), shutdown_on_exit=False
        )
        for processor in processors:
            self.provider.add_span_processor(processor)
        self.tracer = self.provider.get_tracer("diwan.chassis", version)
        self.registry = CollectorRegistry()
        # The convention by which Prometheus learns of the resource: one metric that all others join.
        info = Info("target", "Which process this is.", registry=self.registry)
        info.info({_LABEL.sub("_", key): value for key, value in attributes.items()})
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        self._metrics: dict[str, Counter | Gauge | Histogram] = {}

    def counter(self, name: str, what: str, labels: Sequence[str] = ()) -> Counter:
        """A counter; the same name gives the same one."""
        made = self._metrics.get(name) or Counter(name, what, labels, registry=self.registry)
        assert isinstance(made, Counter)
        self._metrics[name] = made
        return made

    def gauge(self, name: str, what: str, labels: Sequence[str] = ()) -> Gauge:
        """A gauge; the same name gives the same one."""
        made = self._metrics.get(name) or Gauge(name, what, labels, registry=self.registry)
        assert isinstance(made, Gauge)
        self._metrics[name] = made
        return made

    def histogram(
        self, name: str, what: str, labels: Sequence[str] = (), buckets: Sequence[float] = BUCKETS
    ) -> Histogram:
        """A histogram, of seconds if not said otherwise; the same name gives the same one."""
        made = self._metrics.get(name) or Histogram(
            name, what, labels, registry=self.registry, buckets=tuple(buckets)
        )
        assert isinstance(made, Histogram)
        self._metrics[name] = made
        return made

    def shutdown(self, limit: float = LIMIT_SECONDS) -> None:
        """Send what is left, within `limit` seconds whatever the collector does. Blocks."""
        worker = threading.Thread(target=self.provider.shutdown, daemon=True, name="telemetry-shutdown")
        worker.start()
        worker.join(limit)


class MaskingExporter(SpanExporter):
    """Masks each span on its way out, so that no personal datum reaches the collector."""

    def __init__(self, inner: SpanExporter) -> None:
        self._inner = inner

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        for span in spans:
            _mask_span(span)
        return self._inner.export(spans)

    def shutdown(self) -> None:
        self._inner.shutdown()

    def force_flush(self, timeout_millis: int = LIMIT_SECONDS * 1000) -> bool:
        return self._inner.force_flush(timeout_millis)


_current: Telemetry | None = None


def start(service: str, version: str, *, instance: str = "") -> Telemetry:
    """Begin telemetry of this process; spans leave if the environment names a collector."""
    processors = [_otlp()] if _endpoint(os.environ) else []
    return install(Telemetry(service, version, instance=instance, processors=processors))


def install(telemetry: Telemetry) -> Telemetry:
    """Make this the process's telemetry. `start` does; tests give one with an exporter in memory."""
    global _current  # noqa: PLW0603 -- one process has one telemetry, known to all its parts
    _current = telemetry
    return telemetry


def current() -> Telemetry:
    """The process's telemetry; before `start`, one that sends nothing."""
    return _current or install(Telemetry("unknown", "0"))


@contextmanager
def span(
    name: str,
    *,
    kind: SpanKind = SpanKind.INTERNAL,
    parent: Context | None = None,
    links: Sequence[Link] = (),
    attributes: Mapping[str, AttributeValue] | None = None,
) -> Iterator[Span]:
    """A span around a block. A failure sets its status and `error.type`, without the exception's text.

    Args:
        name: of low cardinality, no ids.
        kind: SpanKind.
        parent: what `parent(traceparent)` or `new_root()` gave; the current span if not given.
        links: see `link`.
        attributes: OpenTelemetry semantic conventions first, `diwan.*` after; never personal data.
    """
    with current().tracer.start_as_current_span(
        name,
        context=parent,
        kind=kind,
        attributes=attributes,
        links=links,
        record_exception=False,
        set_status_on_exception=False,
    ) as made:
        if number := log.correlation():
            made.set_attribute("diwan.request_number", number)
        try:
            yield made
        except BaseException as error:
            failed(made, error)
            raise


def following(
    name: str,
    traceparent: str | None,
    *,
    late: bool,
    kind: SpanKind = SpanKind.INTERNAL,
    attributes: Mapping[str, AttributeValue] | None = None,
) -> AbstractContextManager[Span]:
    """A span for what follows from the span of a `traceparent`, in the same trace.

    What comes `late` (a retry, a replay, news after minutes) begins a trace of its own, with a link.
    """
    return span(
        name,
        kind=kind,
        parent=new_root() if late else parent(traceparent),
        links=link(traceparent) if late else (),
        attributes=attributes,
    )


def failed(span: Span, error: BaseException | str) -> None:
    """Mark the span as failed by this reason or exception class, telling nothing of its text."""
    kind = error if isinstance(error, str) else failure_reason(error)
    span.set_attribute("error.type", kind)
    span.set_status(Status(StatusCode.ERROR, kind))


def traceparent() -> str:
    """W3C `traceparent` of the current span, "" when there is none; kept with events, sent with calls."""
    carrier: dict[str, str] = {}
    _propagator.inject(carrier)
    return carrier.get("traceparent", "")


def parent(traceparent: str | None) -> Context:
    """The context in which a span is the child of a `traceparent`; a new root if there is none."""
    return _propagator.extract({"traceparent": traceparent} if traceparent else {}, context=new_root())


def new_root() -> Context:
    """The context in which a span begins a trace of its own."""
    return trace.set_span_in_context(trace.INVALID_SPAN, otel_context.get_current())


def link(traceparent: str | None) -> Sequence[Link]:
    """Links (one, or none) to the span of this `traceparent`: for retries, timers and replays."""
    context = trace.get_current_span(parent(traceparent)).get_span_context()
    return (Link(context),) if context.is_valid else ()


def exposition() -> tuple[str, bytes]:
    """The metrics as Prometheus reads them: content type and body."""
    return CONTENT_TYPE_LATEST, generate_latest(current().registry)


def _endpoint(environ: Mapping[str, str]) -> str:
    if environ.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return ""
    traces = environ.get("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "")
    return traces or environ.get("OTEL_EXPORTER_OTLP_ENDPOINT", "")


def _otlp() -> SpanProcessor:
    # Loaded only where spans are sent. OTLP over HTTP only: the one over gRPC hangs beside eventlet.
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415

    exporter = MaskingExporter(OTLPSpanExporter(timeout=LIMIT_SECONDS))
    return BatchSpanProcessor(
        exporter,
        max_queue_size=8192,
        schedule_delay_millis=500,
        export_timeout_millis=LIMIT_SECONDS * 1000,
    )


def _sampler(environ: Mapping[str, str]) -> Sampler:
    """Our own decision for whatever comes from another process; what begins here follows its local parent."""
    wanted = environ.get("OTEL_TRACES_SAMPLER", "always_on").removeprefix("parentbased_")
    ours: Sampler = ALWAYS_OFF if wanted == "always_off" else ALWAYS_ON
    if wanted == "traceidratio":
        ours = TraceIdRatioBased(min(1.0, max(0.0, float(environ.get("OTEL_TRACES_SAMPLER_ARG") or 1))))
    return ParentBased(root=ours, remote_parent_sampled=ours, remote_parent_not_sampled=ours)


def _mask_span(span: ReadableSpan) -> None:
    """Mask in place: a span that has ended is read by its exporter alone."""
    # The SDK has no public way to change an ended span.
    span._attributes = _mask_attributes(span.attributes)  # noqa: SLF001
    for event in span.events:
        event._attributes = _mask_attributes(event.attributes)  # noqa: SLF001
    if span.status.description:
        span._status = Status(span.status.status_code, mask_text(span.status.description))  # noqa: SLF001


def _mask_attributes(attributes: Mapping[str, AttributeValue] | None) -> dict[str, AttributeValue]:
    return {key: _mask_value(value) for key, value in (attributes or {}).items()}


def _mask_value(value: AttributeValue) -> AttributeValue:
    if isinstance(value, str):
        return mask_text(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return value if mask_text(str(value)) == str(value) else mask_text(str(value))
    if isinstance(value, Sequence):
        return [mask_text(item) if isinstance(item, str) else item for item in value]
    return value
