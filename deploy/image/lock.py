"""The part of the lock that an image needs: roots and everything below them, with hashes, as requirements.

    python3 lock.py "services and connectors" services >service.txt

A root is a section of requirements.in (its comment line) or one package of it. What lies below a root is read from the
lock's own `# via` lines, so nothing is resolved and nothing is fetched: the same lock gives the same set. The set may
hold a package too many (one that only an extra or another platform wants), never one too few; the build checks that.
"""

import argparse
import re
import sys
from pathlib import Path

Lock = dict[str, tuple[str, frozenset[str]]]
"""Package by package, as the lock names it: its lines with hashes, and who wants it."""


class LockError(Exception):
    """A root or package is not where it should be; the text says which."""


def sections(text: str) -> dict[str, frozenset[str]]:
    """requirements.in by sections: a line `# title` after an empty line begins one."""
    found: dict[str, frozenset[str]] = {}
    for block in re.split(r"\n\s*\n", text):
        title, *lines = block.strip().splitlines() or [""]
        if title.startswith("#"):
            found[title.removeprefix("#").strip()] = frozenset(
                normal(match[0]) for line in lines if (match := re.match(r"[A-Za-z0-9][A-Za-z0-9._-]*", line))
            )
    return found


def parse(text: str) -> Lock:
    """The lock, by package. A package may stand in it more than once, for different Pythons."""
    lock: Lock = {}
    for entry in re.split(r"\n(?=[A-Za-z0-9])", text.strip()):
        pinned = re.match(r"([A-Za-z0-9._-]+)==", entry)
        if not pinned:
            continue
        if "--hash=" not in entry:
            raise LockError(f"{pinned[1]} has no hash in the lock")
        lines = [line for line in entry.splitlines() if not line.lstrip().startswith("#")]
        wanted_by = re.findall(
            r"^\s+#\s+(?:via\s+)?([A-Za-z0-9][A-Za-z0-9._-]*)\s*$", entry, flags=re.MULTILINE
        )
        name = normal(pinned[1])
        before, by = lock.get(name, ("", frozenset()))
        lock[name] = (
            before + "\n".join(lines) + "\n",
            by | {normal(each) for each in wanted_by if each != "via"},
        )
    return lock


def closure(lock: Lock, roots: frozenset[str]) -> list[str]:
    """Names of the roots and of everything that they want, sorted."""
    if missing := roots - lock.keys():
        raise LockError(f"not in the lock: {', '.join(sorted(missing))}; run `make lock`")
    taken = set(roots)
    while True:
        more = {name for name, (_, wanted_by) in lock.items() if name not in taken and wanted_by & taken}
        if not more:
            return sorted(taken)
        taken |= more


def normal(name: str) -> str:
    """A package's name as indexes compare it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def select(requirements: str, locked: str, wanted: list[str]) -> str:
    """The requirements with hashes for sections and packages; LockError names what is not there."""
    titled = sections(requirements)
    known = frozenset[str]().union(*titled.values())
    roots: set[str] = set()
    for each in wanted:
        if each not in titled and normal(each) not in known:
            raise LockError(f"requirements.in has neither a section nor a package {each!r}")
        roots |= titled.get(each, {normal(each)})
    lock = parse(locked)
    return "".join(lock[name][0] for name in closure(lock, frozenset(roots)))


def main() -> None:
    """Print the set that the command line names."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("wanted", nargs="+", metavar="SECTION|PACKAGE")
    parser.add_argument("--folder", type=Path, default=Path(), help="where requirements.in and .txt lie")
    given = parser.parse_args()
    requirements, locked = (
        (given.folder / name).read_text(encoding="utf-8") for name in ("requirements.in", "requirements.txt")
    )
    try:
        sys.stdout.write(select(requirements, locked, given.wanted))
    except LockError as error:
        sys.exit(f"lock.py: {error}")


if __name__ == "__main__":
    main()
