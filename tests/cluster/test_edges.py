"""The network edges that the spans of a journey prove are those of tests/edges.yaml."""

import pytest
from demo.calls import Platform
from platform_table.load import platform

from .conftest import RELEASE
from .counts import messages
from .edges import edges_of

SERVICES = (*platform().readers, "demo")


@pytest.fixture(scope="module")
def observed(installation, first_journey):
    """The edges of all traces since the installation: those of the journey and of the programs' start."""
    platform = Platform(installation.environment.targets)
    # The journey makes no call to this service.
    assert messages(platform, first_journey.auditor.session, first_journey)
    platform.close()
    traces = installation.jaeger.traces(SERVICES)
    return {edge for trace in traces for edge in edges_of(trace, RELEASE)}


def test_spans_prove_the_edges_of_the_table_and_no_others(observed, recorded_edges, unrecorded_edges):
    """tests/charts compares the rendered network policies with this table, so it must match the real connections."""
    assert recorded_edges <= observed
    assert observed - recorded_edges <= unrecorded_edges
