"""Renders all files that follow from `deploy/platform.yaml`: writes them, or names those that drifted."""

import json
from pathlib import Path

from platform_table import charts, contracts, marked
from platform_table.table import CHECKOUT, CONNECTOR, Platform

CONNECTORS = CHECKOUT / "services" / "ctl" / "src" / "diwanctl" / "connectors.json"


def files(platform: Platform) -> dict[Path, str]:
    """Every file with its text."""
    queues = {each.name: [read.queue for read in each.reads] for each in platform.of(CONNECTOR)}
    return {
        CHECKOUT / ".importlinter": contracts.rendered(platform),
        CONNECTORS: json.dumps(queues, indent=2) + "\n",
        **charts.files(platform),
        **marked.files(platform),
    }


def drift(platform: Platform) -> list[Path]:
    """Files and links that are not as rendered, and charts that belong to no program."""
    return [
        *(path for path, text in files(platform).items() if not path.is_file() or path.read_text() != text),
        *(
            path
            for path, to in charts.links(platform).items()
            if not path.is_symlink() or path.readlink() != to
        ),
        *charts.strangers(platform),
    ]


def write(platform: Platform) -> list[Path]:
    """Write the files that drifted, and return their paths; charts that belong to no program are left for `git rm`."""
    texts, links = files(platform), charts.links(platform)
    drifted = drift(platform)
    for path in drifted:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path in texts:
            path.write_text(texts[path], encoding="utf-8")
        elif path in links:
            path.unlink(missing_ok=True)
            path.symlink_to(links[path])
    return drifted
