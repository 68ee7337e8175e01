"""Write the bill of materials of an image (CycloneDX 1.6): its Debian packages and Python distributions.

    python3 sbom.py diwan/service --version 0.1.0 --system /system --venv /opt/diwan >service.cdx.json

It lists what is installed, not what was requested. The same content gives the same file.
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
    """Return the Debian packages below a root, from its status.d folder or dpkg status file."""
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
    components = []
    for text in filter(str.strip, texts):
        control = Parser().parsestr(text)
        name, version = str(control["Package"]), str(control["Version"])
        purl = f"pkg:deb/debian/{quote(name, safe='')}@{quote(version, safe='')}"
        components.append(
            component(name, version, f"{purl}?arch={control['Architecture']}&distro={distribution}")
        )
    return components


def python(venv: Path) -> list[Component]:
    """Return the Python distributions in a virtual environment, or in the metadata that add.sh keeps of it."""
    components = []
    for folder in venv.glob("lib/python3.*/site-packages"):
        for each in metadata.distributions(path=[str(folder)]):
            name, version = each.metadata["Name"], each.version
            purl = f"pkg:pypi/{re.sub(r'[-_.]+', '-', name).lower()}@{quote(version)}"
            entry = component(name, version, purl)
            if licence := licence_of(each.metadata):  # type: ignore[arg-type]  # it is an email.message.Message
                entry["licenses"] = [licence]
            components.append(entry)
    return components


def licence_of(fields: Message) -> dict[str, Any] | None:
    """Return a distribution's licence: its expression if there is one, else its classifiers or free text."""
    if expression := fields.get("License-Expression"):
        return {"expression": expression}
    classified = [
        each.rpartition(" :: ")[2]
        for each in fields.get_all("Classifier", [])
        if each.startswith("License ::")
    ]
    named = "; ".join(classified) or next(iter(fields.get("License", "").splitlines()), "")
    return {"license": {"name": named[:200]}} if named else None


def component(name: str, version: str, purl: str) -> Component:
    """Return a library component, identified by its package URL."""
    return {"type": "library", "bom-ref": purl, "name": name, "version": version, "purl": purl}


def bill(image: str, version: str, components: list[Component]) -> dict[str, Any]:
    """Return the bill of materials; its serial number is derived from its content."""
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
    """Print the bill of materials of the roots and virtual environments of the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("image")
    parser.add_argument("--version", required=True)
    parser.add_argument("--system", type=Path, action="append", default=[], metavar="ROOT")
    parser.add_argument("--venv", type=Path, action="append", default=[])
    options = parser.parse_args()
    components = [each for root in options.system for each in debian(root)]
    components += [each for venv in options.venv for each in python(venv)]
    json.dump(bill(options.image, options.version, components), sys.stdout, indent=1, ensure_ascii=False)


if __name__ == "__main__":
    main()
