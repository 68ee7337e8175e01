"""Telemetry of the driver: exports its own spans, so that the journey is the root of the trace."""

from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor


def start(otlp_endpoint: str) -> TracerProvider:
    """Export the driver's spans to `otlp_endpoint`; the caller shuts the returned provider down."""
    provider = TracerProvider(
        resource=Resource.create({"service.name": "demo", "service.namespace": "diwan"})
    )
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(f"{otlp_endpoint}/v1/traces", timeout=5)))
    trace.set_tracer_provider(provider)
    return provider
