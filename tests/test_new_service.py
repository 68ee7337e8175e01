"""`make service name=parcels` in a copy of the checkout: the service passes the checks, and runs on the stack."""

import os
import re

import pytest

from .checkout_copy import Checkout

CREATE = ("python", "scripts/service/create.py")
OWN = re.compile(
    r"protos/diwan/parcels/|services/parcels/|tests/guards/scenarios_parcels\.py$"
    r"|protos/gen/diwan/parcels/|deploy/helm/parcels/"
)
CHANGED = {
    ".importlinter",
    "README.md",
    "deploy/helm/diwan-lib/templates/_platform.tpl",
    "deploy/helm/diwan/Chart.yaml",
    "deploy/helm/diwan/charts/parcels",
    "deploy/helm/diwan/values.schema.json",
    "deploy/helm/values-local.yaml",
    "deploy/platform.yaml",
    "docs/events.md",
    "docs/reference/api.md",
    "docs/reference/events.asyncapi.json",
    "docs/reference/events.md",
    "docs/reference/values.md",
}
GOLDEN = {f"tests/charts/golden/{values}.yaml" for values in ("local", "production", "together")}


@pytest.fixture(scope="module")
def untouched(tmp_path_factory) -> Checkout:
    """The checkout as it is."""
    return Checkout.copy(tmp_path_factory.mktemp("checkout"))


@pytest.fixture(scope="module")
def before(untouched) -> dict[str, str]:
    return untouched.files()


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("Parcels",), "consists of 3 to 16 letters a to z"),
        (("land-parcels",), "consists of 3 to 16 letters a to z"),
        (("",), "consists of 3 to 16 letters a to z"),
        (("payments",), "is a program of deploy/platform.yaml already"),
        (("sms",), "is a program of deploy/platform.yaml already"),
        (("bank",), "is a name that the platform uses itself"),
        (("operations",), "protos/diwan/operations exists already"),
        (("queue",), "is a keyword or a module of Python"),
        (("events",), "'event' cannot be the name of an entity"),
        (("parcels", "--entity", "Parcel"), "'Parcel' cannot be the name of an entity"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_a_name_that_cannot_be_is_refused(untouched, before, arguments, reason):
    """With the reason, and nothing is written."""
    done = untouched.run(*CREATE, *arguments)

    assert done.returncode == 1
    assert reason in done.stdout
    assert untouched.files() == before


@pytest.fixture(scope="module")
def checkout(untouched, before) -> Checkout:
    """The copy with the new service."""
    printed = untouched.passes(*CREATE, "parcels")
    written = {name for name in untouched.files() if name not in before}
    made = {name for name in written if name.startswith(("services/", "protos/diwan/", "tests/"))}
    assert {name for name in made if name not in printed} == set()
    return untouched


def test_it_changes_what_lists_services_and_nothing_else(checkout, before):
    """Files of its own, its entry, and what is rendered from it; the schemas of other charts stay."""
    after = checkout.files()

    changed = {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}
    others = {name for name in changed if not OWN.match(name)}

    assert others - GOLDEN == CHANGED
    *table, calls = before["deploy/platform.yaml"].splitlines()
    assert after["deploy/platform.yaml"].splitlines()[: len(table) + 1] == [*table, f"{calls[:-1]}, parcels]"]


def test_its_name_is_taken_now(checkout):
    """A second run changes nothing."""
    files = checkout.files()

    assert "is a program of deploy/platform.yaml already" in checkout.run(*CREATE, "parcels").stdout
    assert checkout.files() == files


@pytest.mark.parametrize(
    "command",
    [
        ("ruff", "format", "--check", "."),
        ("ruff", "check", "."),
        ("lint-imports",),
        ("python", "scripts/render_platform.py", "--check"),
        ("python", "scripts/helm_values.py", "--check"),
        ("python", "scripts/protos.py", "--check"),
    ],
    ids=" ".join,
)
def test_the_static_checks_pass(checkout, command):
    """Those of `make lint`."""
    checkout.passes(*command)


def test_its_types_are_checked(checkout, monkeypatch):
    """As scripts/check.py checks them, but for the other packages."""
    sources = sorted(
        str(path.relative_to(checkout.folder)) for path in checkout.folder.glob("services/*/src")
    )
    monkeypatch.setenv("MYPYPATH", os.pathsep.join(["protos/gen", *sources, "deploy/local/src"]))

    checkout.passes("mypy", "services/parcels/src")


def test_its_own_tests_and_those_of_all_services_pass(checkout):
    """On a store and a broker of their own; the charts, if Helm is here."""
    printed = checkout.passes(
        "pytest",
        "services/parcels",
        "tests/test_contracts.py",
        "tests/test_error_tables.py",
        "tests/test_facts.py",
        "tests/guards/test_once.py",
        "tests/test_audience.py",
        "tests/charts/test_network.py",
        "-k",
        "(parcels or contracts or network or has_a) and not takes",
    )

    assert re.search(r"\d+ passed", printed)
    assert "services/parcels" in printed


def test_it_runs_on_the_stack(checkout, tmp_path_factory):
    """Its RPC answers, its event goes through the broker, and its policy runs."""
    checkout.passes("python", "tests/new_service_on_the_stack.py", str(tmp_path_factory.mktemp("stack")))
