"""The packages of each image, by the platform table."""

import sys
from pathlib import Path

import pytest
from platform_table.load import platform
from testkit import processes

ROOT = Path(__file__).resolve().parents[2]
SERVICE = "./protos ./services/chassis ./services/identity ./services/payments ./services/notification ./services/ctl"

PROGRAMS = {"identity", "payments", "notary", "notification", "sms", "acquirer", "registry", "operator"}
ADDED = {name for name in platform().programs if name not in PROGRAMS}


def run(*arguments: str, folder: Path = ROOT) -> str:
    command = [sys.executable, str(ROOT / "deploy" / "image" / "packages.py"), *arguments]
    return processes.run([*command, "--folder", str(folder)]).strip()


@pytest.mark.parametrize(
    ("arguments", "packages"),
    [
        (("folders", "service"), SERVICE),
        (("folders", "notary"), "./protos ./services/chassis ./services/notary"),
        (("folders", "notary", "--beyond", "service"), "./services/notary"),
        (
            ("folders", "connector"),
            "./protos ./services/chassis ./services/notification ./services/payments",
        ),
        (("programs", "service"), "identity payments notification diwanctl"),
        (("programs", "connector"), "notification.connectors.sms payments.connectors.acquirer"),
    ],
)
def test_an_image_holds_its_programs(arguments: tuple[str, ...], packages: str) -> None:
    """Protos and chassis come first; a service and its connectors may be in different images.

    Programs that were added to the table later are left out.
    """
    words = run(*arguments).split()

    assert [word for word in words if word.rpartition("/")[2] not in ADDED] == packages.split()


def test_a_distribution_without_a_program_is_in_no_image(tmp_path: Path) -> None:
    """An example is the distribution of the test fixtures."""
    (tmp_path / "deploy").mkdir()
    (tmp_path / "deploy" / "platform.yaml").write_text(
        "programs: {parcels: {package: parcels, image: service}, post: {kind: integrator}}"
    )
    for name in ("chassis", "parcels", "testkit"):
        (tmp_path / "services" / name / "src" / name).mkdir(parents=True)

    assert run("folders", "service", folder=tmp_path) == "./protos ./services/chassis ./services/parcels"
