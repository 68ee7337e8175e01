"""Render the files that follow from deploy/platform.yaml; with --check, fail when a file differs.

    python scripts/render_platform.py [--check]

Charts of programs that are no longer in the table are named; remove them with `git rm`.
"""

import argparse
import sys

from platform_table.load import TableError, platform
from platform_table.render import drift, write
from platform_table.table import CHECKOUT


def main() -> None:
    """Write the files, or name those that differ."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--check", action="store_true", help="write nothing; fail on drift")
    check = parser.parse_args().check
    try:
        paths = drift(platform()) if check else write(platform())
    except TableError as error:
        sys.exit(str(error))
    names = [str(path.relative_to(CHECKOUT)) for path in paths]
    if check and names:
        sys.exit("not as rendered, run `make platform`:\n  " + "\n  ".join(names))
    for name in names:
        print(f"wrote {name}")


if __name__ == "__main__":
    main()
