"""`make service name=specimens` in a copy of the checkout: the service passes all checks and runs on the stack."""

import difflib
import os
import re

import pytest

from .checkout_copy import Checkout

CREATE = ("python", "scripts/service/create.py")
SERVICE_FILES = re.compile(
    r"protos/diwan/specimens/|services/specimens/|tests/guards/scenarios_specimens\.py$"
    r"|protos/gen/diwan/specimens/|deploy/helm/specimens/"
)
CHANGED_FILES = {
    ".importlinter",
    "README.md",
    "deploy/helm/diwan-lib/templates/_platform.tpl",
    "deploy/helm/diwan/Chart.yaml",
    "deploy/helm/diwan/charts/specimens",
    "deploy/helm/diwan/values.schema.json",
    "deploy/helm/values-local.yaml",
    "deploy/platform.yaml",
    "docs/events.md",
    "docs/reference/api.md",
    "docs/reference/events.asyncapi.json",
    "docs/reference/events.md",
    "docs/reference/values.md",
    "docs/retention.md",
}
GOLDEN_FILES = {f"tests/charts/golden/{values}.yaml" for values in ("local", "production", "together")}


@pytest.fixture(scope="module")
def untouched(tmp_path_factory) -> Checkout:
    """A copy of the checkout."""
    return Checkout.copy(tmp_path_factory.mktemp("checkout"))


@pytest.fixture(scope="module")
def before(untouched) -> dict[str, str]:
    return untouched.files()


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("Specimens",), "consists of 3 to 16 letters a to z"),
        (("land-specimens",), "consists of 3 to 16 letters a to z"),
        (("",), "consists of 3 to 16 letters a to z"),
        (("payments",), "is a program of deploy/platform.yaml already"),
        (("sms",), "is a program of deploy/platform.yaml already"),
        (("bank",), "is a name that the platform uses itself"),
        (("operations",), "protos/diwan/operations exists already"),
        (("queue",), "is a keyword or a module of Python"),
        (("events",), "'event' cannot be the name of an entity"),
        (("specimens", "--entity", "Specimen"), "'Specimen' cannot be the name of an entity"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_an_invalid_name_is_refused(untouched, before, arguments, reason):
    """The reason is printed, and nothing is written."""
    completed = untouched.run(*CREATE, *arguments)

    assert completed.returncode == 1
    assert reason in completed.stdout
    assert untouched.files() == before


@pytest.fixture(scope="module")
def checkout(untouched, before) -> Checkout:
    """The copy with the new service."""
    output = untouched.check(*CREATE, "specimens")
    added = {name for name in untouched.files() if name not in before}
    created = {name for name in added if name.startswith(("services/", "protos/diwan/", "tests/"))}
    assert {name for name in created if name not in output} == set()
    return untouched


def test_only_the_lists_of_services_change(checkout, before):
    """The new files, the entry and the rendered files are the only changes; schemas of other charts stay equal."""
    after = checkout.files()

    changed = {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}
    others = {name for name in changed if not SERVICE_FILES.match(name)}

    assert others - GOLDEN_FILES == CHANGED_FILES
    table = difflib.ndiff(*(each["deploy/platform.yaml"].splitlines() for each in (before, after)))
    (replaced,) = (line for line in table if line.startswith("- "))
    assert replaced.startswith("-     calls: [")


def test_a_second_run_is_refused(checkout):
    """It changes nothing."""
    files = checkout.files()

    assert "is a program of deploy/platform.yaml already" in checkout.run(*CREATE, "specimens").stdout
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
    """They are the checks of `make lint`."""
    checkout.check(*command)


def test_its_types_are_correct(checkout, monkeypatch):
    """mypy checks only its package, with the settings of scripts/check.py."""
    sources = sorted(
        str(path.relative_to(checkout.folder)) for path in checkout.folder.glob("services/*/src")
    )
    monkeypatch.setenv("MYPYPATH", os.pathsep.join(["protos/gen", *sources, "deploy/local/src"]))

    checkout.check("mypy", "services/specimens/src")


def test_its_tests_and_those_of_all_services_pass(checkout):
    """They use a real store and broker; the tests of charts need Helm."""
    output = checkout.check(
        "pytest",
        "services/specimens",
        "tests/test_contracts.py",
        "tests/test_error_tables.py",
        "tests/test_facts.py",
        "tests/test_retention.py",
        "tests/guards/test_once.py",
        "tests/test_audience.py",
        "tests/charts/test_network.py",
        "-k",
        "(specimens or contracts or network or has_a) and not (accepts or token_of)",
    )

    assert re.search(r"\d+ passed", output)
    assert "services/specimens" in output


def test_it_runs_on_the_stack(checkout, tmp_path_factory):
    """Its RPC answers, its event passes through the broker, and its policy runs."""
    checkout.check("python", "tests/new_service_on_the_stack.py", str(tmp_path_factory.mktemp("stack")))
