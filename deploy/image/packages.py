"""Print the folders to install in an image, or the programs to try in it, by deploy/platform.yaml.

    python3 packages.py folders service
    python3 packages.py folders notary --beyond service
    python3 packages.py programs connector

An image holds the protos, the chassis and the distribution of each program whose entry names it; a distribution that
belongs to no program is in no image. It runs in the build, after the table was checked.
"""

import argparse
from pathlib import Path

import yaml

COMMON = ("./protos", "./services/chassis")


def packages(folder: Path, image: str) -> list[str]:
    """Return the Python packages of the programs of an image."""
    table = yaml.safe_load((folder / "deploy" / "platform.yaml").read_text(encoding="utf-8"))
    return [entry["package"] for entry in table["programs"].values() if entry.get("image") == image]


def folders(folder: Path, image: str) -> list[str]:
    """Return the folders of the distributions in an image, without duplicates."""
    tops = [package.partition(".")[0] for package in packages(folder, image)]
    names = [path.parents[1].name for top in tops for path in folder.glob(f"services/*/src/{top}")]
    return list(dict.fromkeys((*COMMON, *(f"./services/{name}" for name in names))))


def main() -> None:
    """Print the requested folders or programs on one line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=("folders", "programs"))
    parser.add_argument("image")
    parser.add_argument("--beyond", metavar="IMAGE", help="leave out the folders of this base image")
    parser.add_argument("--folder", type=Path, default=Path(), help="the checkout")
    given = parser.parse_args()
    if given.what == "programs":
        print(*packages(given.folder, given.image))
        return
    below = folders(given.folder, given.beyond) if given.beyond else []
    print(*(each for each in folders(given.folder, given.image) if each not in below))


if __name__ == "__main__":
    main()
