"""What an image is made of, as a CycloneDX 1.6 bill of materials: its Debian packages and its Python distributions.

    python3 sbom.py diwan/service --version 0.1.0 --system /system --venv /opt/diwan >service.cdx.json

It is read from what was installed, not from what was asked for. The same content gives the same file.
"""

import argparse
import json
import re
import sys
import uuid
from email.message import Message
from email.parser import Parser
from importlib import metadata
from pathlib import Path
from typing import Any
from urllib.parse import quote

NAMESPACE = uuid.UUID("3f0d6a0e-5d3b-5a52-9f0e-7f1a2f7f3c11")

Component = dict[str, Any]


def debian(root: Path) -> list[Component]:
    """Debian's packages below a root, from its status.d or its dpkg status."""
    dpkg = root / "var/lib/dpkg"
    folder = dpkg / "status.d"
    texts = (
        [path.read_text(encoding="utf-8") for path in sorted(folder.iterdir())]
        if folder.exists()
        else (dpkg / "status").read_text(encoding="utf-8").split("\n\n")
    )
    release = dict(
        re.findall(r'^(\w+)="?([^"\n]*)"?$', (root / "usr/lib/os-release").read_text(), flags=re.MULTILINE)
    )
    distribution = f"debian-{release.get('VERSION_ID', '')}".rstrip("-")
    found = []
    for text in filter(str.strip, texts):
        said = Parser().parsestr(text)
        name, version = str(said["Package"]), str(said["Version"])
        purl = f"pkg:deb/debian/{quote(name, safe='')}@{quote(version, safe='')}"
        found.append(component(name, version, f"{purl}?arch={said['Architecture']}&distro={distribution}"))
    return found


def python(venv: Path) -> list[Component]:
    """Python's distributions in a virtual environment, or in what add.sh keeps of it for this."""
    found = []
    for folder in venv.glob("lib/python3.*/site-packages"):
        for each in metadata.distributions(path=[str(folder)]):
            name, version = each.metadata["Name"], each.version
            purl = f"pkg:pypi/{re.sub(r'[-_.]+', '-', name).lower()}@{quote(version)}"
            made = component(name, version, purl)
            if licence := licence_of(each.metadata):  # type: ignore[arg-type]  # a message, whatever the stub says
                made["licenses"] = [licence]
            found.append(made)
    return found


def licence_of(said: Message) -> dict[str, Any] | None:
    """A distribution's licence, as an expression when it gives one."""
    if expression := said.get("License-Expression"):
        return {"expression": expression}
    classified = [
        each.rpartition(" :: ")[2] for each in said.get_all("Classifier", []) if each.startswith("License ::")
    ]
    named = "; ".join(classified) or next(iter(said.get("License", "").splitlines()), "")
    return {"license": {"name": named[:200]}} if named else None


def component(name: str, version: str, purl: str) -> Component:
    """A library by its package address."""
    return {"type": "library", "bom-ref": purl, "name": name, "version": version, "purl": purl}


def bill(image: str, version: str, components: list[Component]) -> dict[str, Any]:
    """The bill; its serial number follows from its content."""
    distinct = {each["bom-ref"]: each for each in components}
    listed = [distinct[reference] for reference in sorted(distinct)]
    content = json.dumps([image, version, listed], sort_keys=True)
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid.uuid5(NAMESPACE, content)}",
        "version": 1,
        "metadata": {"component": {"type": "container", "bom-ref": image, "name": image, "version": version}},
        "components": listed,
        "dependencies": [{"ref": image, "dependsOn": [each["bom-ref"] for each in listed]}],
    }


def main() -> None:
    """Print the bill of what the command line names."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("image")
    parser.add_argument("--version", required=True)
    parser.add_argument("--system", type=Path, action="append", default=[], metavar="ROOT")
    parser.add_argument("--venv", type=Path, action="append", default=[])
    given = parser.parse_args()
    found = [each for root in given.system for each in debian(root)]
    found += [each for venv in given.venv for each in python(venv)]
    json.dump(bill(given.image, given.version, found), sys.stdout, indent=1, ensure_ascii=False)


if __name__ == "__main__":
    main()
