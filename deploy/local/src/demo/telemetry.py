"""The driver's own spans: one root around the journey, sent like everybody's."""

from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor


def start(otlp_endpoint: str) -> TracerProvider:
    """Send the driver's spans to `otlp_endpoint`; shut the provider down at the end."""
    provider = TracerProvider(
        resource=Resource.create({"service.name": "demo", "service.namespace": "diwan"})
    )
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(f"{otlp_endpoint}/v1/traces", timeout=5)))
    trace.set_tracer_provider(provider)
    return provider
