"""The journey of the demo on a cluster, with its trace, logs and metrics."""

import json

import pytest
from opentelemetry import trace

from .conftest import NAMESPACE, RELEASE
from .kube import Namespace
from .secrecy import leaks

STEPS = 9
PROGRAMS = {"identity", "payments", "notary", "notification", "sms", "acquirer"}
# Attributes of every resource.
RESOURCE = (
    "service.name",
    "service.namespace",
    "service.version",
    "service.instance.id",
    "k8s.namespace.name",
    "k8s.pod.name",
    "k8s.node.name",
    "k8s.deployment.name",
    "k8s.container.name",
)


@pytest.fixture(scope="module")
def spans(installation, first_journey):
    return installation.jaeger.trace(trace.format_trace_id(first_journey.trace_id))


def test_every_step_passes(first_journey):
    """The driver is the one of the demo on the embedded stack."""
    assert len(first_journey.titles) == STEPS


def test_the_trace_is_found_by_the_request_number(installation, first_journey, spans):
    """For every service that took part, a search by the number returns this one trace."""
    attributes = {"diwan.request_number": first_journey.case.number}
    trace_id = trace.format_trace_id(first_journey.trace_id)

    for service in ("notary", "payments", "notification", "sms", "acquirer"):
        assert trace_id in installation.jaeger.find(service, attributes), service


def test_the_trace_is_connected(spans):
    """The root is the only span without a parent in it, across services, broker and connectors."""
    ids = {span.id for span in spans}

    assert [span.name for span in spans if span.parent not in ids] == ["journey of a power of attorney"]
    assert {span.service for span in spans} == PROGRAMS | {"demo"}


def test_every_span_has_the_resource_attributes(spans):
    """Service, version, instance, pod, node, deployment and container."""
    for span in spans:
        if span.service in PROGRAMS:
            assert [key for key in RESOURCE if not span.resource.get(key)] == [], span
            assert span.resource["service.namespace"] == "diwan"
            assert span.resource["k8s.namespace.name"] == "diwan-test"


def test_spans_are_exported_to_the_configured_endpoint(spans):
    """The programs' spans passed through the Collector; the driver's were sent to Jaeger directly."""
    routes = {(span.service, span.attributes.get("diwan.test.collector")) for span in spans}

    assert routes == {(program, "collector") for program in PROGRAMS} | {("demo", None)}


@pytest.fixture(scope="module")
def pods(first_journey):
    """The pods of our programs, after the journey."""
    return Namespace(NAMESPACE, RELEASE).pods()


def test_every_log_line_has_the_resource_attributes(pods):
    """The same attributes as on spans."""
    for pod in pods:
        lines = Namespace(NAMESPACE, RELEASE).kubectl("logs", pod["name"]).splitlines()
        assert lines, pod["name"]
        for line in map(json.loads, lines):
            assert [key for key in RESOURCE if not line.get(key)] == [], line
            assert line["k8s.pod.name"] == pod["name"]


def test_metrics_have_the_resource_attributes(pods):
    """`target_info` of each pod holds them, so that its series can be joined with them."""
    for pod in pods:
        text = Namespace(NAMESPACE, RELEASE).metrics(pod["name"])
        (info,) = [line for line in text.splitlines() if line.startswith("target_info{")]
        assert [key for key in RESOURCE if f'{key.replace(".", "_")}="' not in info] == [], info
        assert f'k8s_pod_name="{pod["name"]}"' in info


def test_logs_lead_from_the_request_number_to_the_trace(first_journey, pods):
    """Log lines of the calls that change a case or its payment hold the case's request number and the trace id."""
    lines = [
        json.loads(line)
        for pod in pods
        for line in Namespace(NAMESPACE, RELEASE).kubectl("logs", pod["name"]).splitlines()
    ]
    traces = {
        (line["service.name"], line["trace_id"])
        for line in lines
        if line.get("request_number") == first_journey.case.number and line["event"] == "rpc"
    }

    trace_id = trace.format_trace_id(first_journey.trace_id)
    assert traces == {("notary", trace_id), ("payments", trace_id)}


def test_no_secret_is_in_a_log(first_journey):
    """The logs of all pods of the namespace are searched, also those of broker and stores."""
    assert leaks(Namespace(NAMESPACE, RELEASE)) == []
