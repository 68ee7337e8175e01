"""A copy of the checkout in which anything may be written, with an environment of its own that installs nothing."""

import os
import shutil
import subprocess
import sys
import sysconfig
import venv
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
# Read by every Python of the copy: its own packages come before those of the checkout, new ones included.
_OWN_PACKAGES = """\
import sys; from pathlib import Path; root = Path(sys.prefix).parent; \
sys.path[:0] = map(str, [root / "protos/gen", root / "deploy/local/src", *sorted(root.glob("services/*/src"))])
import site; site.addsitedir({shared!r})
"""


@dataclass(frozen=True)
class Checkout:
    """A copy, with `.venv/bin` as in the checkout: what Python programs import comes from the copy."""

    folder: Path

    @classmethod
    def copy(cls, folder: Path) -> "Checkout":
        """Copy the files that git tracks or would track, as they are now."""
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
        """Run a program of the copy's environment in the copy; its output is one text."""
        return subprocess.run(
            [str(self.folder / ".venv" / "bin" / program), *arguments],
            cwd=self.folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )

    def passes(self, program: str, *arguments: str) -> str:
        """What it printed; AssertionError with that if it failed."""
        done = self.run(program, *arguments)
        assert done.returncode == 0, done.stdout
        return done.stdout

    def files(self) -> dict[str, str]:
        """Path -> text, or what a link points to, of everything but the environment and caches."""
        return {
            str(path.relative_to(self.folder)): str(path.readlink())
            if path.is_symlink()
            else path.read_text(errors="replace")
            for path in self.folder.rglob("*")
            if not path.is_dir() or path.is_symlink()
            if not {".venv", "__pycache__"} & set(path.parts) and "_cache" not in str(path)
        }


def _environment(folder: Path) -> None:
    """A virtual environment whose programs are the checkout's, run by its own Python."""
    venv.create(folder, symlinks=True, with_pip=False)
    names = {"base": str(folder), "platbase": str(folder)}
    packages = Path(sysconfig.get_path("purelib", "venv", names))
    shared = sysconfig.get_path("purelib")
    (packages / "checkout.pth").write_text(_OWN_PACKAGES.format(shared=shared))
    python, own = f"#!{sys.executable}".encode(), f"#!{folder / 'bin' / 'python'}".encode()
    for program in Path(sys.executable).parent.iterdir():
        beside = folder / "bin" / program.name
        if beside.exists() or program.is_dir():
            continue
        if (content := program.read_bytes()).startswith(python):
            beside.write_bytes(content.replace(python, own, 1))
            beside.chmod(0o755)
        else:
            beside.symlink_to(program)
