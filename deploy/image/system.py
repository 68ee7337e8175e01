"""Create a root file system for an image: the named Debian packages and their dependencies, and nothing else.

    python3 system.py /system python3 ca-certificates
    python3 system.py /system-renderer libpango-1.0-0 --beyond /system

It contains no shell, package manager or Perl: packages needed only to install or configure others are left out. Package
names and versions are kept where scanners read them (var/lib/dpkg/status.d). Run it as root in a container of the same
Debian release, with apt's package lists.
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
    """Return the packages and their dependencies: the first of alternatives, the first provider of virtual packages."""
    selected: set[str] = set()
    pending = list(wanted)
    while pending:
        name = pending.pop()
        if name in selected or name in FOR_INSTALLING_ONLY:
            continue
        selected.add(name)
        pending += dependencies(name)
    return sorted(selected)


def dependencies(name: str) -> list[str]:
    """Return the direct dependencies of a package."""
    options = (
        "--no-recommends",
        "--no-suggests",
        "--no-conflicts",
        "--no-breaks",
        "--no-replaces",
        "--no-enhances",
    )
    output = run("apt-cache", "depends", *options, name)
    names, is_alternative = [], False
    for line in output.splitlines()[1:]:
        if match := re.match(r" ([ |])(?:Pre)?Depends: (<?)([^ >]+)", line):
            if not is_alternative:
                names.append(provider(match[3]) if match[2] else match[3])
            is_alternative = match[1] == "|"
    return names


def provider(virtual: str) -> str:
    """Return the first package that provides a virtual one."""
    if virtual in FOR_INSTALLING_ONLY:
        return virtual
    providers = run("apt-cache", "showpkg", virtual).partition("Reverse Provides:")[2].split()
    if not providers:
        sys.exit(f"system.py: no package provides {virtual}")
    return providers[0]


def unpack(root: Path, packages: list[str]) -> None:
    """Download the packages, verified by apt, and unpack them below `root`."""
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


def remove_unused(root: Path) -> None:
    """Remove files that are not needed at run time, except copyright notices, and all set-id bits."""
    for pattern in NOT_AT_RUN_TIME:
        for path in root.glob(pattern):
            if path.name == "copyright":
                continue
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
    for file in (path for path in root.rglob("*") if path.is_file() and not path.is_symlink()):
        file.chmod(file.stat().st_mode & ~0o6000)


def configure(root: Path) -> None:
    """Do the work of the packages' install scripts: create users, name service, /tmp and the certificate bundle."""
    (root / "etc").mkdir(exist_ok=True)
    users = f"root:x:0:0:root:/:/none\ndiwan:x:{USER}:{USER}:Diwan:/tmp:/none\n"
    (root / "etc/passwd").write_text(users, encoding="utf-8")
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
    """Compile the library without time stamps: it suits a read-only root, and builds are reproducible."""
    for library in root.glob("usr/lib/python3.*"):
        compiled = compileall.compile_dir(
            library,
            stripdir=str(root),
            prependdir="/",
            quiet=1,
            workers=0,
            invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH,
        )
        if not compiled:
            sys.exit(f"system.py: {library} cannot be compiled")


def run(*command: str) -> str:
    """Run a command and return its output; CalledProcessError when it fails."""
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def main() -> None:
    """Create the root file system in the folder of the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("root", type=Path)
    parser.add_argument("packages", nargs="+")
    parser.add_argument("--beyond", type=Path, help="an earlier root, whose packages are left out")
    options = parser.parse_args()
    os.umask(0o022)
    packages = closure(options.packages)
    for link, target in LINKS.items():
        (options.root / target).mkdir(parents=True, exist_ok=True)
        (options.root / link).symlink_to(target)
    if options.beyond:
        existing = {path.name for path in (options.beyond / "var/lib/dpkg/status.d").iterdir()}
        packages = [name for name in packages if name not in existing]
    unpack(options.root, packages)
    remove_unused(options.root)
    if not options.beyond:
        configure(options.root)
        compile_library(options.root)
    for link in LINKS if options.beyond else ():
        (options.root / link).unlink()  # this root is copied over the other one, which has the links
    print(f"{options.root}: {' '.join(packages)}")


if __name__ == "__main__":
    main()
