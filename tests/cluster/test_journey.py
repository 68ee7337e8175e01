"""The journey of the demo on a cluster, and its trace in a tracing back end."""

import pytest
from opentelemetry import trace

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
