"""The error tables in the READMEs agree with the error classes."""

import importlib
import re
from pathlib import Path

import pytest
from chassis import operations, pages, service  # noqa: F401 -- they define, or import, every error of a service
from chassis.errors import ChassisError

ROOT = Path(__file__).resolve().parent.parent
SERVICES = sorted(
    path.parent.name for path in ROOT.glob("services/*/src/*/errors.py") if path.parent.name != "chassis"
)
ROW = re.compile(r"^\| *(`[A-Z][A-Z0-9_]+`[^|]*)\| *([A-Z_]+)")


def documented(name):
    """Return the table of a package's README: reason -> canonical code."""
    text = (ROOT / "services" / name / "README.md").read_text()
    table = text.partition("| reason | code |")[2].partition("\n\n")[0]
    rows = [ROW.match(line) for line in table.splitlines() if line.startswith("| `")]
    assert all(rows), "each row has reasons and one code"
    return {reason: row[2] for row in rows for reason in re.findall(r"`([A-Z][A-Z0-9_]+)`", row[1])}


def shared(base=ChassisError):
    """Return the errors of the chassis: reason -> canonical code."""
    own = {base.reason: base.code} if base.__module__.startswith("chassis.") else {}
    return own | {reason: code for kind in base.__subclasses__() for reason, code in shared(kind).items()}


@pytest.mark.parametrize("name", SERVICES)
def test_a_services_table_has_every_refusal_with_its_code(name):
    """It may also name errors of the chassis, and no others."""
    own = {kind.reason: kind.code for kind in importlib.import_module(f"{name}.errors").ERRORS}
    table = documented(name)

    assert own.keys() <= table.keys()
    assert table == {reason: (shared() | own).get(reason) for reason in table}


def test_the_chassiss_table_has_every_refusal_with_its_code():
    """INTERNAL errors are left out, because their reason is not in an answer."""
    assert documented("chassis") == {reason: code for reason, code in shared().items() if code != "INTERNAL"}
