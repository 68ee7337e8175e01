"""Traces and metrics of services and connectors. Imports no gRPC.

`start` is called once at the beginning of a process. Spans are exported over OTLP/HTTP when the standard variable
`OTEL_EXPORTER_OTLP_ENDPOINT` is set; `exposition` returns the metrics for Prometheus. A caller's `traceparent`
gives the trace's id, not the sampling decision: `OTEL_TRACES_SAMPLER(_ARG)` decides, equally in each of our
processes, since the decision follows from the trace's id.
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
from chassis.settings import WrongSetting

LIMIT_SECONDS: Final = 5
"""Longest time for one export, and for the last flush at the end of the process, also with a dead collector."""

BUCKETS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
"""Histogram buckets of durations, in seconds."""

SAME_TRACE_SECONDS: Final = 60
"""A callback or receipt that comes later than this begins a trace of its own."""

SAMPLERS: Final = ("always_on", "always_off", "traceidratio")
"""Values of OTEL_TRACES_SAMPLER, with or without the prefix `parentbased_`."""

_HTTP: Final = re.compile(r"https?://[^/]")
_LABEL: Final = re.compile(r"[^a-zA-Z0-9_]")

_propagator: Final = TraceContextTextMapPropagator()


class Telemetry:
    """Tracer and metrics of one process. Created by `start`; tests create their own with an exporter in memory."""

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
        # Prometheus' convention for resource attributes: one metric that the others are joined with.
        info = Info("target", "Resource attributes of the process.", registry=self.registry)
        info.info({_LABEL.sub("_", key): value for key, value in attributes.items()})
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        self._metrics: dict[str, Counter | Gauge | Histogram] = {}

    def counter(self, name: str, description: str, labels: Sequence[str] = ()) -> Counter:
        """A counter; one instance per name."""
        metric = self._metrics.get(name) or Counter(name, description, labels, registry=self.registry)
        assert isinstance(metric, Counter)
        self._metrics[name] = metric
        return metric

    def gauge(self, name: str, description: str, labels: Sequence[str] = ()) -> Gauge:
        """A gauge; one instance per name."""
        metric = self._metrics.get(name) or Gauge(name, description, labels, registry=self.registry)
        assert isinstance(metric, Gauge)
        self._metrics[name] = metric
        return metric

    def histogram(
        self, name: str, description: str, labels: Sequence[str] = (), buckets: Sequence[float] = BUCKETS
    ) -> Histogram:
        """A histogram, of seconds by default; one instance per name."""
        metric = self._metrics.get(name) or Histogram(
            name, description, labels, registry=self.registry, buckets=tuple(buckets)
        )
        assert isinstance(metric, Histogram)
        self._metrics[name] = metric
        return metric

    def shutdown(self, limit: float = LIMIT_SECONDS) -> None:
        """Export the remaining spans, within `limit` seconds also with a dead collector. Blocks."""
        done = threading.Event()

        def work() -> None:
            try:
                self.provider.shutdown()
            finally:
                done.set()

        threading.Thread(target=work, daemon=True, name="telemetry-shutdown").start()
        # Not `join`: on Python 3.13 eventlet's `join` raises its Timeout at the limit.
        done.wait(limit)


class MaskingExporter(SpanExporter):
    """Masks each span before its export, so that no personal datum reaches the collector."""

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
    """Start telemetry of this process; spans are exported if the environment names a collector.

    WrongSetting for a variable `OTEL_*` that would be ignored.
    """
    processors = [_otlp()] if _endpoint(os.environ) else []
    return install(Telemetry(service, version, instance=instance, processors=processors))


def install(telemetry: Telemetry) -> Telemetry:
    """Make this the process's telemetry. Called by `start`, and by tests with an exporter in memory."""
    global _current  # noqa: PLW0603 -- one process has one telemetry
    _current = telemetry
    return telemetry


def current() -> Telemetry:
    """The process's telemetry; before `start`, one without an exporter."""
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
    """A span around a block. An exception sets its status and `error.type`, without the exception's text.

    Args:
        name: of low cardinality, no ids.
        kind: SpanKind.
        parent: a context from `parent(traceparent)` or `new_root()`; the current one if not given.
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
    ) as current_span:
        if number := log.correlation():
            current_span.set_attribute("diwan.request_number", number)
        try:
            yield current_span
        except BaseException as error:
            failed(current_span, error)
            raise


def continue_trace(
    name: str,
    traceparent: str | None,
    *,
    late: bool,
    kind: SpanKind = SpanKind.INTERNAL,
    attributes: Mapping[str, AttributeValue] | None = None,
) -> AbstractContextManager[Span]:
    """A span caused by the span of a `traceparent`.

    It is a child in the same trace, or, if `late` (a retry, a replay, a callback after minutes), a new root with a
    link.
    """
    return span(
        name,
        kind=kind,
        parent=new_root() if late else parent(traceparent),
        links=link(traceparent) if late else (),
        attributes=attributes,
    )


def failed(span: Span, error: BaseException | str) -> None:
    """Mark a span as failed by a reason or by an exception's reason or class, without its text."""
    kind = error if isinstance(error, str) else failure_reason(error)
    span.set_attribute("error.type", kind)
    span.set_status(Status(StatusCode.ERROR, kind))


def traceparent() -> str:
    """W3C `traceparent` of the current span, "" when there is none; stored with events, sent with calls."""
    carrier: dict[str, str] = {}
    _propagator.inject(carrier)
    return carrier.get("traceparent", "")


def parent(traceparent: str | None) -> Context:
    """The context for a child of a `traceparent`; a new root if there is none."""
    return _propagator.extract({"traceparent": traceparent} if traceparent else {}, context=new_root())


def new_root() -> Context:
    """The context for a span that begins a trace of its own."""
    return trace.set_span_in_context(trace.INVALID_SPAN, otel_context.get_current())


def link(traceparent: str | None) -> Sequence[Link]:
    """Links (one or none) to the span of a `traceparent`: for retries, timers and replays."""
    context = trace.get_current_span(parent(traceparent)).get_span_context()
    return (Link(context),) if context.is_valid else ()


def exposition() -> tuple[str, bytes]:
    """The metrics in Prometheus' text format: content type and body."""
    return CONTENT_TYPE_LATEST, generate_latest(current().registry)


def _endpoint(environ: Mapping[str, str]) -> str:
    if environ.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return ""
    for name in ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"):
        if endpoint := environ.get(name, ""):
            if not _HTTP.match(endpoint):
                raise WrongSetting(f"{name} is wrong; set it to the collector's address, http://host:4318")
            return endpoint
    return ""


def _otlp() -> SpanProcessor:
    # Imported only where spans are exported. OTLP over HTTP only: the exporter over gRPC hangs beside eventlet.
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415

    exporter = MaskingExporter(OTLPSpanExporter(timeout=LIMIT_SECONDS))
    return BatchSpanProcessor(
        exporter,
        max_queue_size=8192,
        schedule_delay_millis=500,
        export_timeout_millis=LIMIT_SECONDS * 1000,
    )


def _sampler(environ: Mapping[str, str]) -> Sampler:
    """Our own decision for roots and remote parents; a local child follows its parent."""
    name = environ.get("OTEL_TRACES_SAMPLER", "always_on").removeprefix("parentbased_")
    if name not in SAMPLERS:
        raise WrongSetting(f"OTEL_TRACES_SAMPLER is wrong (unknown); set it to one of {', '.join(SAMPLERS)}")
    ours: Sampler = ALWAYS_OFF if name == "always_off" else ALWAYS_ON
    if name == "traceidratio":
        ours = TraceIdRatioBased(_ratio(environ.get("OTEL_TRACES_SAMPLER_ARG") or "1"))
    return ParentBased(root=ours, remote_parent_sampled=ours, remote_parent_not_sampled=ours)


def _ratio(text: str) -> float:
    try:
        ratio = float(text)
    except ValueError:
        ratio = -1
    if not 0 <= ratio <= 1:
        raise WrongSetting("OTEL_TRACES_SAMPLER_ARG is wrong; set it to a number from 0 to 1")
    return ratio


def _mask_span(span: ReadableSpan) -> None:
    """Mask in place: only the exporter reads a span that has ended."""
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
