"""The files that are rendered from the platform table, also when a program is added to it."""

from dataclasses import replace
from pathlib import Path

import pytest
from platform_table import charts, contracts, marked, render
from platform_table.load import TableError, platform
from platform_table.table import CHECKOUT, Platform, Program, Read

SHOP = Program(
    name="shop",
    line=7,
    kind="service",
    about="what people buy",
    package="notary",
    image="service",
    exchanges=("shop.events",),
    reads=(Read("shop.payments.payment", "payments.events", ("payment.*.v1",)),),
    calls=("identity", "payments"),
    reaches=("bank",),
    secrets=("shop-key",),
)


def with_program(program: Program) -> Platform:
    return replace(platform(), programs={**platform().programs, program.name: program})


def test_the_checkout_is_up_to_date() -> None:
    """Files, links and charts are those of the table."""
    assert render.drift(platform()) == []


def test_an_added_program_changes_only_its_files() -> None:
    """The differing files are named, for `make lint`; no other chart changes."""
    drifted = {str(path.relative_to(CHECKOUT)) for path in render.drift(with_program(SHOP))}

    assert drifted == {
        "README.md",
        "docs/events.md",
        "deploy/helm/values-local.yaml",
        "deploy/helm/diwan-lib/templates/_platform.tpl",
        "deploy/helm/diwan/Chart.yaml",
        "deploy/helm/diwan/charts/shop",
        "deploy/helm/shop/Chart.yaml",
        "deploy/helm/shop/templates/service.yaml",
        "deploy/helm/shop/charts/diwan-lib",
    }


def test_the_chart_of_a_removed_program_is_named() -> None:
    """Its folder and its link in the umbrella chart must be removed by hand."""
    programs = {name: each for name, each in platform().programs.items() if name != "sms"}

    removed = charts.strangers(replace(platform(), programs=programs))

    assert [str(path.relative_to(charts.CHARTS)) for path in removed] == ["diwan/charts/sms", "sms"]


def test_a_program_has_its_edges() -> None:
    """They lead to broker, store, called services and external systems, and come from callers and monitoring."""
    edges = [edge for edge in charts.edges(with_program(SHOP)) if "shop" in {edge["to"], *edge["from"]}]

    assert [(edge["to"], edge.get("port", "")) for edge in edges if edge["to"] != "shop"] == [
        ("broker", ""),
        ("store", ""),
        ("identity", "grpc"),
        ("payments", "grpc"),
        ("bank", ""),
        ("collector", ""),
        ("dns", ""),
    ]
    assert [edge for edge in edges if edge["to"] == "shop"] == [
        {"from": ["callers"], "to": "shop", "port": "grpc"},
        {"from": ["monitoring"], "to": "shop", "port": "http"},
    ]


def test_the_library_chart_has_a_line_for_each_program() -> None:
    """It has package, image, calls, secrets, and whether it takes callbacks."""
    text = charts.files(with_program(SHOP))[charts.LIBRARY / "templates" / "_platform.tpl"]

    assert (
        "  shop: {package: notary, image: service, calls: [identity, payments], secrets: [shop-key], "
        "callbacks: false}\n" in text
    )
    assert f"services: [{', '.join((*platform().services, 'shop'))}]\n" in text


def test_a_kind_without_a_template_is_refused() -> None:
    """The table has kinds that have no template yet."""
    portal = Program("portal", 9, "web", "pages", package="notary", image="service", calls=("identity",))

    with pytest.raises(TableError, match=r"^deploy/platform.yaml:9: .* no template diwan-lib.web yet$"):
        charts.files(with_program(portal))


@pytest.mark.parametrize("field", ["reaches", "reached_by"])
def test_an_external_system_needs_port_and_peers_in_the_values(field: str) -> None:
    """Each installation sets them."""
    fax = replace(SHOP, **{"reaches": (), field: ("fax",)})

    with pytest.raises(
        TableError, match=r"^deploy/platform.yaml:7: .*values.yaml gives no (port|peers) to fax$"
    ):
        charts.files(with_program(fax))


def test_import_contracts_name_existing_modules() -> None:
    """A module that a service does not have is in no contract."""
    text = contracts.rendered(platform())

    assert "    identity.queries\n" in text
    assert (CHECKOUT / "services" / "identity" / "src" / "identity" / "queries.py").exists()
    assert not (CHECKOUT / "services" / "notary" / "src" / "notary" / "connectors").exists()
    assert "notary.connectors" not in text


def test_import_contracts_separate_shipped_code_from_tests() -> None:
    """Services import no tools; no program imports a distribution that belongs to no program."""
    text = contracts.rendered(platform())
    forbidden = {
        part.partition("]")[0]: set(part.partition("forbidden_modules =")[2].split())
        for part in text.split("[importlinter:contract:")
    }

    assert {"diwanctl", "embedded", "platform_table"} <= forbidden["chassis-below"]
    assert "testkit" not in forbidden["chassis-below"]
    assert forbidden["testkit-apart"] == {"testkit", "pytest"}


def test_a_file_without_marks_is_refused() -> None:
    """It would be overwritten otherwise."""
    with pytest.raises(ValueError, match="the marks of 'events' are missing"):
        marked.between("# Events\n", "events", ["| a |"])


def test_text_around_the_marks_is_unchanged() -> None:
    """It is equal byte for byte."""
    text = "a\n<!-- rendered from deploy/platform.yaml: x -->\nold\n<!-- end of x -->\nb"

    assert marked.between(text, "x", ["new"]) == text.replace("old", "new")


def test_the_table_of_events_names_the_readers() -> None:
    """They follow from the binding keys of the queues."""
    rows = {row.split("`")[3]: row.rsplit("|", 2)[1].strip() for row in _rows()}

    assert rows["payment.settled.v1"] == "payments, notary, notification, shop"
    assert rows["charge.inquire.v1"] == "acquirer"
    assert rows["officer.registered.v1"] == "nobody yet"


def _rows() -> list[str]:
    return [row for row in marked.events(with_program(SHOP)) if row.startswith("| `")]


def test_the_queues_of_connectors_are_rendered_for_the_command_line() -> None:
    """The command line is shipped without the table."""
    assert Path(render.CONNECTORS).is_relative_to(CHECKOUT / "services" / "ctl" / "src")
