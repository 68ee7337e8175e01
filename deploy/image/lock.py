"""Select the part of the lock file for an image: root packages and their dependencies, with hashes, as requirements.

    python3 lock.py "services and connectors" services >service.txt

A root is a section of requirements.in (named by its comment line) or one of its packages. Dependencies are read from
the `# via` lines of the lock, so nothing is resolved or downloaded: the same lock gives the same set. The set may
contain a package that only an extra or another platform needs, but it is never incomplete; the build checks that.
"""

import argparse
import re
import sys
from pathlib import Path

Lock = dict[str, tuple[str, frozenset[str]]]
"""By package name: its lines with hashes, and the packages that require it."""


class LockError(Exception):
    """A section, package or hash is missing; the text names it."""


def sections(text: str) -> dict[str, frozenset[str]]:
    """Parse requirements.in into sections: a line `# title` after an empty line starts one."""
    by_title: dict[str, frozenset[str]] = {}
    for block in re.split(r"\n\s*\n", text):
        title, *lines = block.strip().splitlines() or [""]
        if title.startswith("#"):
            by_title[title.removeprefix("#").strip()] = frozenset(
                normal(match[0]) for line in lines if (match := re.match(r"[A-Za-z0-9][A-Za-z0-9._-]*", line))
            )
    return by_title


def parse(text: str) -> Lock:
    """Parse the lock by package. It may contain a package more than once, for different Python versions."""
    lock: Lock = {}
    for entry in re.split(r"\n(?=[A-Za-z0-9])", text.strip()):
        pinned = re.match(r"([A-Za-z0-9._-]+)==", entry)
        if not pinned:
            continue
        if "--hash=" not in entry:
            raise LockError(f"{pinned[1]} has no hash in the lock")
        lines = [line for line in entry.splitlines() if not line.lstrip().startswith("#")]
        required_by = re.findall(
            r"^\s+#\s+(?:via\s+)?([A-Za-z0-9][A-Za-z0-9._-]*)\s*$", entry, flags=re.MULTILINE
        )
        name = normal(pinned[1])
        before, by = lock.get(name, ("", frozenset()))
        lock[name] = (
            before + "\n".join(lines) + "\n",
            by | {normal(each) for each in required_by if each != "via"},
        )
    return lock


def closure(lock: Lock, roots: frozenset[str]) -> list[str]:
    """Return the names of the roots and of all their dependencies, sorted."""
    if missing := roots - lock.keys():
        raise LockError(f"not in the lock: {', '.join(sorted(missing))}; run `make lock`")
    selected = set(roots)
    while True:
        more = {
            name for name, (_, required_by) in lock.items() if name not in selected and required_by & selected
        }
        if not more:
            return sorted(selected)
        selected |= more


def normal(name: str) -> str:
    """Normalise a package name as package indexes do (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def select(requirements: str, locked: str, wanted: list[str]) -> str:
    """Return the requirements with hashes for sections and packages; LockError names a missing one."""
    known_sections = sections(requirements)
    known_packages = frozenset[str]().union(*known_sections.values())
    roots: set[str] = set()
    for each in wanted:
        if each not in known_sections and normal(each) not in known_packages:
            raise LockError(f"requirements.in has neither a section nor a package {each!r}")
        roots |= known_sections.get(each, {normal(each)})
    lock = parse(locked)
    return "".join(lock[name][0] for name in closure(lock, frozenset(roots)))


def main() -> None:
    """Print the requirements for the sections and packages of the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("wanted", nargs="+", metavar="SECTION|PACKAGE")
    parser.add_argument("--folder", type=Path, default=Path(), help="folder of requirements.in and .txt")
    options = parser.parse_args()
    requirements, locked = (
        (options.folder / name).read_text(encoding="utf-8")
        for name in ("requirements.in", "requirements.txt")
    )
    try:
        sys.stdout.write(select(requirements, locked, options.wanted))
    except LockError as error:
        sys.exit(f"lock.py: {error}")


if __name__ == "__main__":
    main()
