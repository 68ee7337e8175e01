"""A writable copy of the checkout with its own virtual environment, in which nothing is installed."""

import os
import shutil
import subprocess
import sys
import sysconfig
import venv
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
# Read at the start of Python: the packages of the copy, also new ones, precede those of the checkout.
_OWN_PACKAGES = """\
import sys; from pathlib import Path; root = Path(sys.prefix).parent; \
sys.path[:0] = map(str, [root / "protos/gen", root / "deploy/local/src", *sorted(root.glob("services/*/src"))])
import site; site.addsitedir({shared!r})
"""


@dataclass(frozen=True)
class Checkout:
    """A copy with the programs of `.venv/bin`; Python programs import the packages of the copy."""

    folder: Path

    @classmethod
    def copy(cls, folder: Path) -> "Checkout":
        """Copy the tracked files, and the untracked ones that git does not ignore, with their present content."""
        listing = ("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
        listed = subprocess.run(listing, cwd=ROOT, check=True, capture_output=True, text=True).stdout
        for name in filter(None, listed.split("\0")):
            if os.path.lexists(ROOT / name):
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(ROOT / name, folder / name, follow_symlinks=False)
        if (ROOT / ".mypy_cache").exists():
            shutil.copytree(ROOT / ".mypy_cache", folder / ".mypy_cache")
        _environment(folder / ".venv")
        return cls(folder)

    def run(self, program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a program of the copy's environment in the copy; standard output and error are one text."""
        return subprocess.run(
            [str(self.folder / ".venv" / "bin" / program), *arguments],
            cwd=self.folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )

    def check(self, program: str, *arguments: str) -> str:
        """Run a program and return its output; AssertionError with the output when it fails."""
        completed = self.run(program, *arguments)
        assert completed.returncode == 0, completed.stdout
        return completed.stdout

    def files(self) -> dict[str, str]:
        """Return path -> text, or target of a link, of all files except the environment and caches."""
        return {
            str(path.relative_to(self.folder)): str(path.readlink())
            if path.is_symlink()
            else path.read_text(errors="replace")
            for path in self.folder.rglob("*")
            if not path.is_dir() or path.is_symlink()
            if not {".venv", "__pycache__"} & set(path.parts) and "_cache" not in str(path)
        }


def _environment(folder: Path) -> None:
    """Create a virtual environment with the programs of the checkout, run by its own Python."""
    venv.create(folder, symlinks=True, with_pip=False)
    names = {"base": str(folder), "platbase": str(folder)}
    packages = Path(sysconfig.get_path("purelib", "venv", names))
    shared = sysconfig.get_path("purelib")
    (packages / "checkout.pth").write_text(_OWN_PACKAGES.format(shared=shared))
    python, own = f"#!{sys.executable}".encode(), f"#!{folder / 'bin' / 'python'}".encode()
    for program in Path(sys.executable).parent.iterdir():
        target = folder / "bin" / program.name
        if target.exists() or program.is_dir():
            continue
        if (content := program.read_bytes()).startswith(python):
            target.write_bytes(content.replace(python, own, 1))
            target.chmod(0o755)
        else:
            target.symlink_to(program)
