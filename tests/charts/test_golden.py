"""The complete manifests of typical values: a change of the charts shows its effect here.

`GOLDEN=write pytest tests/charts/test_golden.py` updates them.
"""

import os
from pathlib import Path

import pytest
import yaml

GOLDEN = Path(__file__).parent / "golden"
CASES = {
    "local": ("diwan", "values-local.yaml", ()),
    "production": ("diwan", "values-production.yaml", ()),
    "together": ("payments", None, ("--set", "split=false")),
}


@pytest.mark.parametrize("case", CASES)
def test_manifests_equal_the_golden_ones(helm, case):
    """They are sorted by kind and name; Helm's order and comments do not matter."""
    chart, values, arguments = CASES[case]
    files = ("--values", str(Path(__file__).parents[2] / "deploy" / "helm" / values)) if values else ()
    manifests = sorted(
        helm.manifests(chart, *files, *arguments), key=lambda each: (each["kind"], each["metadata"]["name"])
    )

    text = yaml.safe_dump_all(manifests, sort_keys=False, width=1000)

    if os.environ.get("GOLDEN") == "write":
        (GOLDEN / f"{case}.yaml").write_text(text)
    assert text == (GOLDEN / f"{case}.yaml").read_text()
