"""Renders charts from the table: a thin chart per program, the umbrella, and the template of the library chart."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from platform_table.located import TableError
from platform_table.table import CHECKOUT, CONNECTOR, SERVICE, WEB, Platform, Program

CHARTS = CHECKOUT / "deploy" / "helm"
LIBRARY = CHARTS / "diwan-lib"
OWN = ("diwan", "diwan-lib", "trial")
HEAD = "Rendered from deploy/platform.yaml by `python scripts/render_platform.py`; do not edit."

Edge = dict[str, Any]


def files(platform: Platform) -> dict[Path, str]:
    """Every rendered file below deploy/helm with its text.

    Raises:
        TableError: the library has no template for a program's kind, or no port for what it reaches.
    """
    _check(platform)
    version = str(_loaded(LIBRARY / "Chart.yaml")["version"])
    made = {
        LIBRARY / "templates" / "_platform.tpl": _template(platform),
        CHARTS / "diwan" / "Chart.yaml": _umbrella(platform, version),
    }
    for program in platform.installed:
        chart = CHARTS / program.name
        made[chart / "Chart.yaml"] = _chart(program, version)
        made[chart / "templates" / f"{program.kind}.yaml"] = (
            f'{{{{ include "diwan-lib.{program.kind}" . }}}}\n'
        )
    return made


def links(platform: Platform) -> dict[Path, Path]:
    """Links to the charts that a chart depends on, with their targets."""
    library = {CHARTS / p.name / "charts" / "diwan-lib": Path("../../diwan-lib") for p in platform.installed}
    parts = ("diwan-lib", *(program.name for program in platform.installed), "trial")
    return library | {CHARTS / "diwan" / "charts" / name: Path(f"../../{name}") for name in parts}


def strangers(platform: Platform) -> list[Path]:
    """Charts and links that belong to no program of the table."""
    known = {*OWN, *(program.name for program in platform.installed)}
    found = [*(path.parent for path in CHARTS.glob("*/Chart.yaml")), *(CHARTS / "diwan" / "charts").iterdir()]
    return sorted(path for path in found if path.name not in known)


def edges(platform: Platform) -> Iterator[Edge]:
    """The permitted connections. `_edges.tpl` explains the fields and adds the connections of a trial."""
    installed = platform.installed
    connected = list(platform.names(SERVICE, CONNECTOR))
    yield {"from": connected, "to": "broker"}
    yield {"from": list(platform.services), "to": "store"}
    for service in platform.services:
        if callers := [program.name for program in installed if service in program.calls]:
            yield {"from": callers, "to": service, "port": "grpc"}
    for outside in platform.outside:
        if callers := [program.name for program in installed if outside in program.reaches]:
            yield {"from": callers, "to": outside}
    for program in installed:
        yield from ({"from": [each], "to": program.name, "port": "callbacks"} for each in program.reached_by)
    for program in platform.of(SERVICE, WEB):
        port = "grpc" if program.kind == SERVICE else "http"
        yield {"from": ["callers"], "to": program.name, "port": port}
    for program in platform.of(SERVICE, CONNECTOR, WEB):
        yield {"from": ["monitoring"], "to": program.name, "port": "http"}
    names = [program.name for program in installed]
    yield {"from": names, "to": "collector"}
    yield {"from": names, "to": "dns"}
    # A trial's sandbox stands for the outside: what a program reaches there calls it back directly.
    for program in installed:
        for outside in program.reaches if program.reached_by else ():
            yield {"from": [outside], "to": program.name, "port": "callbacks", "trial": True}
            yield {"from": [outside], "to": "dns", "trial": True}


def _check(platform: Platform) -> None:
    network = _loaded(LIBRARY / "values.yaml")["defaults"]["global"]["networkPolicy"]
    templates = "".join(path.read_text(encoding="utf-8") for path in (LIBRARY / "templates").glob("*.tpl"))
    for program in platform.installed:
        at = f"deploy/platform.yaml:{program.line}"
        if f'define "diwan-lib.{program.kind}"' not in templates:
            raise TableError(f"{at}: deploy/helm/diwan-lib has no template diwan-lib.{program.kind} yet")
        for outside in program.reaches:
            if outside not in network["ports"]:
                raise TableError(f"{at}: deploy/helm/diwan-lib/values.yaml gives no port to {outside}")
        for outside in (*program.reaches, *program.reached_by):
            if outside not in network["peers"]:
                raise TableError(f"{at}: deploy/helm/diwan-lib/values.yaml gives no peers to {outside}")


def _template(platform: Platform) -> str:
    table = {
        "programs": {
            program.name: {
                "package": program.package,
                "image": program.image,
                "calls": list(program.calls),
                "secrets": list(program.secrets),
                "callbacks": bool(program.reached_by),
            }
            for program in platform.installed
        },
        "services": list(platform.services),
        "readers": list(platform.readers),
        "clients": list(platform.clients),
        "edges": list(edges(platform)),
    }
    return f'{{{{/* {HEAD} */}}}}\n{{{{- define "diwan-lib.platform" -}}}}\n{_lines(table)}{{{{- end -}}}}\n'


def _lines(table: Mapping[str, Any]) -> str:
    """A line for each program and each edge."""
    lines = []
    for key, value in table.items():
        if isinstance(value, dict):
            lines += [f"{key}:", *(f"  {name}: {_flow(said)}" for name, said in value.items())]
        elif value and isinstance(value[0], dict):
            lines += [f"{key}:", *(f"  - {_flow(each)}" for each in value)]
        else:
            lines.append(f"{key}: {_flow(value)}")
    return "".join(f"{line}\n" for line in lines)


def _flow(value: object) -> str:
    return yaml.safe_dump(value, default_flow_style=True, sort_keys=False, width=10_000).strip()


def _chart(program: Program, version: str) -> str:
    of = f"Diwan's {program.top}" if program.kind == CONNECTOR else "Diwan"
    return f"""\
# {HEAD}
apiVersion: v2
name: {program.name}
description: The {program.kind} {program.name} of {of}
type: application
version: {version}
appVersion: {version}
dependencies:
  - name: diwan-lib
    version: {version}
    repository: file://../diwan-lib
"""


def _umbrella(platform: Platform, version: str) -> str:
    parts = "".join(
        f"""\
  - name: {name}
    version: {version}
    repository: file://../{name}
    condition: {name}.enabled
"""
        for name in (*(program.name for program in platform.installed), "trial")
    )
    return f"""\
# {HEAD}
apiVersion: v2
name: diwan
description: Diwan, an event-driven platform for digital public services
type: application
version: {version}
appVersion: {version}
kubeVersion: ">=1.30.0-0"
dependencies:
  - name: diwan-lib
    version: {version}
    repository: file://../diwan-lib
{parts}"""


def _loaded(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))
