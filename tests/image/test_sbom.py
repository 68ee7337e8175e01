"""The bill of materials of an image."""

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "deploy" / "image" / "sbom.py"


@pytest.fixture(scope="module")
def sbom() -> ModuleType:
    spec = importlib.util.spec_from_file_location("image_sbom", SCRIPT)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "usr/lib").mkdir(parents=True)
    (tmp_path / "usr/lib/os-release").write_text('NAME="Debian GNU/Linux"\nVERSION_ID="12"\n')
    (tmp_path / "var/lib/dpkg/status.d").mkdir(parents=True)
    return tmp_path


def test_names_debian_packages(sbom: ModuleType, root: Path) -> None:
    """A package of status.d is listed with its version, architecture and release."""
    control = "Package: libstdc++6\nVersion: 1:12.2-1+b1\nArchitecture: amd64\n"
    (root / "var/lib/dpkg/status.d/libstdc++6").write_text(control)

    (package,) = sbom.debian(root)

    assert package["purl"] == "pkg:deb/debian/libstdc%2B%2B6@1%3A12.2-1%2Bb1?arch=amd64&distro=debian-12"


def test_names_python_distributions(sbom: ModuleType, tmp_path: Path) -> None:
    """A distribution is listed under its normal name, with the licence it states."""
    folder = tmp_path / "lib/python3.11/site-packages/Web_Server-1.4.dist-info"
    folder.mkdir(parents=True)
    (folder / "METADATA").write_text(
        "Metadata-Version: 2.4\nName: Web_Server\nVersion: 1.4\nLicense-Expression: MIT\n"
    )

    (package,) = sbom.python(tmp_path)

    assert package["purl"] == "pkg:pypi/web-server@1.4"
    assert package["licenses"] == [{"expression": "MIT"}]


def test_same_content_gives_the_same_bill(sbom: ModuleType) -> None:
    """Order and repetition change nothing, other content changes the serial number."""
    one, other = sbom.component("a", "1", "pkg:pypi/a@1"), sbom.component("b", "2", "pkg:pypi/b@2")

    bill = sbom.bill("diwan/service", "0.1.0", [one, other])

    assert bill == sbom.bill("diwan/service", "0.1.0", [other, one, one])
    assert bill["serialNumber"] != sbom.bill("diwan/service", "0.1.0", [one])["serialNumber"]
