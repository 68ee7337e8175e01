"""The part of Debian that an image needs, as a folder: named packages and what they depend on, and nothing else.

    python3 system.py /system python3 ca-certificates
    python3 system.py /system-renderer libpango-1.0-0 --beyond /system

There is no shell in it, no package manager and no Perl: what Debian needs only to install or configure a package is
left out. Package names and versions are kept where scanners look for them (var/lib/dpkg/status.d). It runs as root in
a container of the same Debian, with apt's lists there.
"""

import argparse
import compileall
import os
import py_compile
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

FOR_INSTALLING_ONLY = frozenset({
    "dpkg", "debconf", "debconf-2.0", "openssl", "perl-base", "perl", "perl:any", "awk", "mawk", "install-info",
    "mailcap", "media-types", "readline-common", "sensible-utils", "ucf", "sed",
})  # fmt: skip
NOT_AT_RUN_TIME = (
    "usr/share/doc/*/*", "usr/share/man", "usr/share/info", "usr/share/lintian", "usr/share/bug", "usr/share/locale",
    "usr/share/python3", "usr/share/pixmaps", "usr/share/applications", "usr/share/menu", "usr/share/binfmts",
    "usr/lib/python3/dist-packages", "usr/lib/python3.*/lib2to3", "usr/lib/python3.*/pydoc_data",
    "usr/lib/python3.*/ensurepip", "usr/lib/python3.*/test", "usr/lib/python3.*/config-*", "usr/lib/*/gconv",
    "usr/lib/*/perl-base", "usr/sbin", "etc/alternatives", "etc/apt", "etc/cron.daily", "etc/dpkg",
)  # fmt: skip
LINKS = {"bin": "usr/bin", "sbin": "usr/sbin", "lib": "usr/lib", "lib64": "usr/lib64"}
USER = 10001


def closure(wanted: list[str]) -> list[str]:
    """The packages and all that they depend on; of alternatives the first, of virtual packages the first provider."""
    taken: set[str] = set()
    waiting = list(wanted)
    while waiting:
        name = waiting.pop()
        if name in taken or name in FOR_INSTALLING_ONLY:
            continue
        taken.add(name)
        waiting += dependencies(name)
    return sorted(taken)


def dependencies(name: str) -> list[str]:
    """What one package depends on."""
    quiet = (
        "--no-recommends",
        "--no-suggests",
        "--no-conflicts",
        "--no-breaks",
        "--no-replaces",
        "--no-enhances",
    )
    said = run("apt-cache", "depends", *quiet, name)
    found, is_alternative = [], False
    for line in said.splitlines()[1:]:
        if match := re.match(r" ([ |])(?:Pre)?Depends: (<?)([^ >]+)", line):
            if not is_alternative:
                found.append(provider(match[3]) if match[2] else match[3])
            is_alternative = match[1] == "|"
    return found


def provider(virtual: str) -> str:
    """The first package that provides a virtual one."""
    if virtual in FOR_INSTALLING_ONLY:
        return virtual
    after = run("apt-cache", "showpkg", virtual).partition("Reverse Provides:")[2].split()
    if not after:
        sys.exit(f"system.py: nothing provides {virtual}")
    return after[0]


def unpack(root: Path, packages: list[str]) -> None:
    """Download, which checks the archive's signatures, and unpack."""
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(
            ["apt-get", "-q", "-o", "APT::Sandbox::User=root", "download", *packages], cwd=folder, check=True
        )
        for archive in sorted(Path(folder).glob("*.deb")):
            control = run("dpkg-deb", "--field", str(archive))
            name = re.search(r"^Package: (.+)$", control, flags=re.MULTILINE)
            assert name, archive
            status = root / "var/lib/dpkg/status.d" / name[1]
            status.parent.mkdir(parents=True, exist_ok=True)
            status.write_text(control, encoding="utf-8")
            with subprocess.Popen(
                ["dpkg-deb", "--fsys-tarfile", str(archive)], stdout=subprocess.PIPE
            ) as files:
                subprocess.run(
                    ["tar", "-x", "--keep-directory-symlink", "-C", root], stdin=files.stdout, check=True
                )
            if files.returncode:
                sys.exit(f"system.py: {archive.name} cannot be unpacked")


def weed(root: Path) -> None:
    """Take out what nobody reads at run time; copyright notices stay."""
    for pattern in NOT_AT_RUN_TIME:
        for path in root.glob(pattern):
            if path.name == "copyright":
                continue
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
    for left in (path for path in root.rglob("*") if path.is_file() and not path.is_symlink()):
        left.chmod(left.stat().st_mode & ~0o6000)  # nobody needs the rights of another user


def settle(root: Path) -> None:
    """What the packages' own scripts would do: a user, certificates, byte code, the linker's cache."""
    (root / "etc").mkdir(exist_ok=True)
    people = f"root:x:0:0:root:/:/none\ndiwan:x:{USER}:{USER}:Diwan:/tmp:/none\n"
    (root / "etc/passwd").write_text(people, encoding="utf-8")
    (root / "etc/group").write_text(f"root:x:0:\ndiwan:x:{USER}:\n", encoding="utf-8")
    (root / "etc/nsswitch.conf").write_text(
        "passwd: files\ngroup: files\nhosts: files dns\n", encoding="utf-8"
    )
    (root / "tmp").mkdir(exist_ok=True)
    (root / "tmp").chmod(0o1777)
    authorities = sorted((root / "usr/share/ca-certificates").rglob("*.crt"))
    bundle = root / "etc/ssl/certs/ca-certificates.crt"
    bundle.parent.mkdir(parents=True, exist_ok=True)
    bundle.write_text("".join(path.read_text(encoding="utf-8") for path in authorities), encoding="utf-8")
    (root / "usr/lib/ssl").mkdir(parents=True, exist_ok=True)
    (root / "usr/lib/ssl/cert.pem").symlink_to("/etc/ssl/certs/ca-certificates.crt")


def compile_library(root: Path) -> None:
    """Byte code that no clock makes stale, so that a read-only root has it and two builds are alike."""
    for library in root.glob("usr/lib/python3.*"):
        done = compileall.compile_dir(
            library,
            stripdir=str(root),
            prependdir="/",
            quiet=1,
            workers=0,
            invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH,
        )
        if not done:
            sys.exit(f"system.py: {library} cannot be compiled")


def run(*command: str) -> str:
    """A command's output; its failure is ours."""
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def main() -> None:
    """Make the folder."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("root", type=Path)
    parser.add_argument("packages", nargs="+")
    parser.add_argument("--beyond", type=Path, help="a folder made before, whose packages are left out here")
    given = parser.parse_args()
    os.umask(0o022)
    packages = closure(given.packages)
    for link, target in LINKS.items():
        (given.root / target).mkdir(parents=True, exist_ok=True)
        (given.root / link).symlink_to(target)
    if given.beyond:
        there = {path.name for path in (given.beyond / "var/lib/dpkg/status.d").iterdir()}
        packages = [name for name in packages if name not in there]
    unpack(given.root, packages)
    weed(given.root)
    if not given.beyond:
        settle(given.root)
        compile_library(given.root)
    for link in LINKS if given.beyond else ():
        (given.root / link).unlink()  # laid over the other, which has them
    print(f"{given.root}: {' '.join(packages)}")


if __name__ == "__main__":
    main()
