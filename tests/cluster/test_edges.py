"""The edges of the network: what the spans of the journey tell, against what the policies let through."""

from pathlib import Path

import pytest
import yaml
from demo.calls import Platform
from platform_table.load import platform

from .conftest import RELEASE
from .counts import messages
from .edges import edges_of

EDGES = Path(__file__).parents[1] / "edges.yaml"
SERVICES = (*platform().readers, "demo")


@pytest.fixture(scope="module")
def told(installation, travelled):
    """Edges of every trace since the installation: the journey's, and those of what went before it."""
    platform = Platform(installation.world.targets)
    # The one service that the journey's own driver asks nothing.
    assert messages(platform, travelled.auditor.session, travelled)
    platform.close()
    traces = installation.jaeger.traces(SERVICES)
    return {edge for trace in traces for edge in edges_of(trace, RELEASE)}


def test_spans_tell_of_the_edges_in_the_table_and_of_no_other(told):
    """The table that the rendered policies are held against is what really happens."""
    assert told == {tuple(edge) for edge in yaml.safe_load(EDGES.read_text())}
