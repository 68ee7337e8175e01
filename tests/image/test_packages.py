"""The image of a service contains exactly the project's packages that the platform table lists."""

import subprocess
import sys
from pathlib import Path

import pytest
from platform_table.load import platform

ROOT = Path(__file__).resolve().parents[2]
SERVICE = "./protos ./services/chassis ./services/identity ./services/payments ./services/notification ./services/ctl"

PROGRAMS = {"identity", "payments", "notary", "notification", "sms", "acquirer", "registry", "operator"}
ADDED = {name for name in platform().programs if name not in PROGRAMS}


def printed(*arguments: str, folder: Path = ROOT) -> str:
    command = [sys.executable, str(ROOT / "deploy" / "image" / "packages.py"), *arguments]
    done = subprocess.run([*command, "--folder", str(folder)], capture_output=True, text=True, check=True)
    return done.stdout.strip()


@pytest.mark.parametrize(
    ("arguments", "holds"),
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
def test_an_image_holds_its_programs(arguments: tuple[str, ...], holds: str) -> None:
    """Protos and chassis first; a service is in one image, its connectors perhaps in another.

    What was added to the table later is left out.
    """
    words = printed(*arguments).split()

    assert [word for word in words if word.rpartition("/")[2] not in ADDED] == holds.split()


def test_what_is_no_program_is_in_no_image(tmp_path: Path) -> None:
    """A distribution beside the services, such as the tests' fixtures."""
    (tmp_path / "deploy").mkdir()
    (tmp_path / "deploy" / "platform.yaml").write_text(
        "programs: {parcels: {package: parcels, image: service}, post: {kind: integrator}}"
    )
    for name in ("chassis", "parcels", "testkit"):
        (tmp_path / "services" / name / "src" / name).mkdir(parents=True)

    assert printed("folders", "service", folder=tmp_path) == "./protos ./services/chassis ./services/parcels"
