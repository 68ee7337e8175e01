"""The journey of the demo on a cluster, and its trace in a tracing back end."""

import json

import pytest
from opentelemetry import trace

from .conftest import NAMESPACE, RELEASE
from .kube import Namespace
from .secrecy import leaks

STEPS = 9
PROGRAMS = {"identity", "payments", "notary", "notification", "sms", "acquirer"}
# Asked from the outside in: who is called last shows that everything before it is connected.
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
def spans(installation, travelled):
    return installation.jaeger.trace(trace.format_trace_id(travelled.trace_id))


def test_every_step_does_what_it_should(travelled):
    """The same driver as on the embedded stack comes to its end."""
    assert len(travelled.titles) == STEPS


def test_the_trace_is_found_by_the_request_number(installation, travelled, spans):
    """Every service that had part in the case leads from its number to the one trace."""
    wanted = {"diwan.request_number": travelled.case.number}
    ours = trace.format_trace_id(travelled.trace_id)

    for service in ("notary", "payments", "notification", "sms", "acquirer"):
        assert ours in installation.jaeger.having(service, wanted), service


def test_the_trace_is_connected(spans):
    """Every span but the root has its parent in the trace, through services, broker and connectors."""
    known = {span.id for span in spans}

    assert [span.name for span in spans if span.parent not in known] == ["journey of a power of attorney"]
    assert {span.service for span in spans} == PROGRAMS | {"demo"}


def test_every_span_says_where_it_was_made(spans):
    """Service, version, instance, pod, node, deployment and container are on every span's resource."""
    for span in spans:
        if span.service in PROGRAMS:
            assert [key for key in RESOURCE if not span.resource.get(key)] == [], span
            assert span.resource["service.namespace"] == "diwan"
            assert span.resource["k8s.namespace.name"] == "diwan-test"


def test_spans_come_through_a_collector_or_straight(spans):
    """The endpoint is a value: the programs' spans went through the Collector, the driver's own straight to Jaeger."""
    ways = {(span.service, span.attributes.get("diwan.test.collector")) for span in spans}

    assert ways == {(program, "collector") for program in PROGRAMS} | {("demo", None)}


@pytest.fixture(scope="module")
def pods(travelled):
    """Each pod of our programs, after the journey."""
    return Namespace(NAMESPACE, RELEASE).pods()


def test_every_log_line_says_where_it_was_made(pods):
    """As spans do, and beside the journey's request number where there is one."""
    for pod in pods:
        lines = Namespace(NAMESPACE, RELEASE).kubectl("logs", pod["name"]).splitlines()
        assert lines, pod["name"]
        for line in map(json.loads, lines):
            assert [key for key in RESOURCE if not line.get(key)] == [], line
            assert line["k8s.pod.name"] == pod["name"]


def test_metrics_say_where_they_were_made(pods):
    """`target_info` of each pod, by which its series are joined with what is known of the pod."""
    for pod in pods:
        text = Namespace(NAMESPACE, RELEASE).metrics(pod["name"])
        (info,) = [line for line in text.splitlines() if line.startswith("target_info{")]
        assert [key for key in RESOURCE if f'{key.replace(".", "_")}="' not in info] == [], info
        assert f'k8s_pod_name="{pod["name"]}"' in info


def test_logs_lead_from_the_request_number_to_the_trace(travelled, pods):
    """Whoever has the number finds the calls of its case in notary's log, and in them the trace."""
    lines = [
        json.loads(line)
        for pod in pods
        for line in Namespace(NAMESPACE, RELEASE).kubectl("logs", pod["name"]).splitlines()
    ]
    told = {
        (line["service.name"], line["trace_id"])
        for line in lines
        if line.get("request_number") == travelled.case.number and line["event"] == "rpc"
    }

    assert told == {("notary", trace.format_trace_id(travelled.trace_id))}


def test_no_secret_is_in_a_log(travelled):
    """Of whatever pod of the namespace, its broker and stores too."""
    assert leaks(Namespace(NAMESPACE, RELEASE)) == []
