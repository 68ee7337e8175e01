"""Generate Python code and the reference pages from the protos; with --check, fail when they drifted."""

import argparse
import filecmp
import os
import shutil
import subprocess
import sys
import tempfile
from importlib.resources import files
from pathlib import Path

from grpc_tools import protoc

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "protos"
THIRD_PARTY = ROOT / "third_party" / "protos"
GENERATED = SOURCE / "gen"
BASELINE = ROOT / "docs" / "reference" / "protos.binpb"
# In the reference folder, but not generated here: the baseline of the breaking check, and the charts' values.
NOT_GENERATED = {BASELINE.name, "values.md"}
VALIDATE = "buf/validate/validate.proto"


def run_protoc(arguments: list[str]) -> None:
    """Run protoc with our include paths; exit with its status when it fails."""
    os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"  # protoc-gen-mypy
    well_known = str(files("grpc_tools") / "_proto")
    include = [f"-I{path}" for path in (SOURCE, THIRD_PARTY, well_known)]
    if status := protoc.main(["protoc", *include, *arguments]):
        sys.exit(status)


def generate(out: Path) -> None:
    """Write messages and stubs to `out`, and gRPC code for the protos that have a service."""
    protos = sorted(str(path.relative_to(SOURCE)) for path in (SOURCE / "diwan").rglob("*.proto"))
    with_service = [name for name in protos if "\nservice " in (SOURCE / name).read_text()]
    run_protoc([f"--python_out={out}", f"--mypy_out=quiet:{out}", *protos, VALIDATE])
    if with_service:
        run_protoc([f"--grpc_python_out={out}", f"--mypy_grpc_out=quiet:{out}", *with_service])
    for folder in [out / "diwan", out / "buf"]:
        for package in [folder, *[p for p in folder.rglob("*") if p.is_dir()]]:
            (package / "__init__.py").touch()
    (out / "diwan" / "py.typed").touch()


def generate_all(root: Path) -> None:
    """Write code, descriptor set and reference below `root`, laid out as in the repository."""
    code = root / "protos" / "gen"
    reference = root / "docs" / "reference"
    code.mkdir(parents=True)
    reference.mkdir(parents=True)
    generate(code)
    protos = [str(path.relative_to(SOURCE)) for path in (SOURCE / "diwan").rglob("*.proto")]
    with tempfile.NamedTemporaryFile(suffix=".binpb") as described:
        run_protoc(
            [f"--descriptor_set_out={described.name}", "--include_source_info", "--include_imports", *protos]
        )
        subprocess.run(  # noqa: S603  a separate process, which imports the code just generated
            [sys.executable, str(ROOT / "scripts" / "reference.py"), described.name, str(reference)],
            check=True,
            env={"PYTHONPATH": str(code)},
        )


def drift(fresh: Path, committed: Path) -> list[str]:
    """Return the names of the files that differ between `fresh` and `committed`."""

    def names(base: Path) -> set[Path]:
        return {p.relative_to(base) for p in base.rglob("*") if p.is_file() and p.suffix != ".pyc"}

    return sorted(
        str(name)
        for name in names(fresh) | names(committed)
        if not (
            (fresh / name).is_file()
            and (committed / name).is_file()
            and filecmp.cmp(fresh / name, committed / name, shallow=False)
        )
    )


def buf(*arguments: str) -> None:
    """Run buf in the root folder; exit with its status when it reports a problem."""
    program = Path(sys.executable).parent / "buf"
    completed = subprocess.run([str(program), *arguments], cwd=ROOT, check=False)  # noqa: S603
    if completed.returncode:
        sys.exit(completed.returncode)


def check() -> None:
    """Lint the protos, compare them with the baseline, and compare the generated files with the committed ones."""
    buf("lint")
    if BASELINE.exists():
        buf("breaking", "protos", "--against", str(BASELINE))
    with tempfile.TemporaryDirectory() as folder:
        fresh = Path(folder)
        generate_all(fresh)
        drifted = [
            f"{place}/{name}"
            for place in ("protos/gen", "docs/reference")
            for name in drift(fresh / place, ROOT / place)
            if name not in NOT_GENERATED
        ]
    if drifted:
        sys.exit("generated files drifted, run `make protos`:\n  " + "\n  ".join(drifted))


def main() -> None:
    """Generate the files in place, or check them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--check", action="store_true", help="write nothing; fail on drift or a breaking change"
    )
    parser.add_argument(
        "--baseline", action="store_true", help="make the current protos the baseline of the breaking check"
    )
    options = parser.parse_args()
    if options.check:
        check()
        return
    with tempfile.TemporaryDirectory() as folder:
        fresh = Path(folder)
        generate_all(fresh)
        shutil.rmtree(GENERATED, ignore_errors=True)
        shutil.copytree(fresh / "protos" / "gen", GENERATED)
        shutil.copytree(fresh / "docs" / "reference", BASELINE.parent, dirs_exist_ok=True)
    if options.baseline or not BASELINE.exists():
        buf("build", "protos", "-o", str(BASELINE))


if __name__ == "__main__":
    main()
