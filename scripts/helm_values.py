"""Write the charts' schemas and docs/reference/values.md from deploy/helm/schema.yaml and the programs' settings.

    python scripts/helm_values.py [--check]

`--check` writes nothing and fails when a file is not what it would write.
"""

import argparse
import importlib
import json
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from platform_table.load import platform
from platform_table.table import IDENTITY
from pydantic_settings import BaseSettings

# The connectors' settings are read too: what eventlet says of its own future is known (docs/adr/0004).
warnings.filterwarnings("ignore", message=r"\s*Eventlet is deprecated")

ROOT = Path(__file__).resolve().parent.parent
CHARTS = ROOT / "deploy" / "helm"
REFERENCE = ROOT / "docs" / "reference" / "values.md"

GIVEN_BY_CHART = {
    "broker_uri", "http_listen", "keys_dir", "drain_seconds", "store_uri", "store_database",
    "grpc_listen", "state_dir", "callback_key_file",
}  # fmt: skip
KEPT_RULES = ("type", "enum", "pattern", "minimum", "maximum", "exclusiveMinimum", "minLength", "maxLength")

Schema = dict[str, Any]

PEERS: Schema = {
    "type": "array",
    "items": {
        "type": "object",
        "minProperties": 1,
        "additionalProperties": False,
        "properties": {name: {"type": "object"} for name in ("podSelector", "namespaceSelector", "ipBlock")},
    },
}
RESOURCES: Schema = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        name: {"type": "object", "additionalProperties": {"type": ["string", "number"]}}
        for name in ("requests", "limits")
    },
}


def chart_names() -> tuple[str, ...]:
    """Names of the programs that have a chart."""
    return tuple(program.name for program in platform().installed)


def is_leaf(node: Schema) -> bool:
    """Whether a node of the source is one value, not a group of values."""
    return isinstance(node.get("description"), str)


def schema_of(node: Schema) -> Schema:
    """JSON Schema of a node of the source: closed objects all the way down."""
    if not is_leaf(node):
        return closed({name: schema_of(child) for name, child in node.items()})
    rules = {name: rule for name, rule in node.items() if not name.startswith("$")}
    if "$peers" in node:
        return PEERS | rules
    if "$resources" in node:
        return RESOURCES | rules
    return rules


def closed(properties: Schema, required: tuple[str, ...] = ()) -> Schema:
    made: Schema = {"type": "object", "additionalProperties": False, "properties": properties}
    return made | ({"required": list(required)} if required else {})


def settings_class(chart: str) -> type[BaseSettings]:
    """By convention `Settings` in the program's `settings` module."""
    module = importlib.import_module(f"{platform().programs[chart].package}.settings")
    found: type[BaseSettings] = module.Settings
    return found


def given_by_table(chart: str) -> set[str]:
    """Settings that the chart gives from the program's entry in the platform table."""
    program = platform().programs[chart]
    given = {f"{called}_target" for called in program.calls}
    given |= {secret.replace("-", "_") for secret in program.secrets}
    return given | ({"services", "identity_target"} if chart == IDENTITY else set())


def settings_of(chart: str) -> Schema:
    """The settings of a program that are its own business, not the chart's."""
    settings = settings_class(chart)
    given = GIVEN_BY_CHART | given_by_table(chart)
    told = settings.model_json_schema()
    properties = {
        field: {"description": (settings.model_fields[field].description or "").strip()}
        | {rule: said[rule] for rule in KEPT_RULES if rule in said}
        for field, said in told["properties"].items()
        if field not in given
    }
    return closed(properties, tuple(name for name in told.get("required", ()) if name in properties))


def program_source(source: Schema, chart: str) -> Schema:
    own: Schema = source[platform().programs[chart].kind]
    return dict(source["program"]) | own


def program(source: Schema, chart: str) -> Schema:
    properties = schema_of(program_source(source, chart))["properties"]
    settings = settings_of(chart)
    required = ("settings",) if settings.get("required") else ()
    return closed(properties | {"settings": settings} | common(source), required)


def common(source: Schema) -> Schema:
    return {"global": schema_of(source["global"]), "diwan-lib": {"type": "object"}}


def schemas(source: Schema) -> dict[str, Schema]:
    """A schema for each chart; what lies below a program's name in the umbrella's values its own chart checks."""
    made = {chart: program(source, chart) for chart in chart_names()}
    made["trial"] = closed(schema_of(source["trial"])["properties"] | common(source))
    parts = {chart: {"type": "object"} for chart in (*chart_names(), "trial")}
    made["diwan"] = closed(parts | common(source))
    return made


def rendered(schema: Schema, chart: str) -> str:
    head = {"$schema": "http://json-schema.org/draft-07/schema#", "title": f"Values of the chart {chart}"}
    return json.dumps(head | schema, indent=2, ensure_ascii=False) + "\n"


def leaves(node: Schema, path: str = "") -> Iterator[tuple[str, Schema]]:
    for name, child in node.items():
        at = f"{path}.{name}" if path else name
        if is_leaf(child):
            yield at, child
        else:
            yield from leaves(child, at)


def looked_up(values: Any, path: str) -> Any:
    for name in path.split("."):
        values = values.get(name, {}) if isinstance(values, dict) else {}
    return values


def laid_over(below: Any, above: Any) -> Any:
    if not (isinstance(below, dict) and isinstance(above, dict)):
        return above
    return below | {key: laid_over(below.get(key), value) for key, value in above.items()}


def shown(value: Any) -> str:
    """A default in a cell of the table."""
    if value in ("", {}, []):
        return "empty"
    return f"`{json.dumps(value, ensure_ascii=False)}`"


def table(rows: Iterator[tuple[str, str, str]]) -> Iterator[str]:
    yield "| value | default | meaning |"
    yield "|---|---|---|"
    yield from (
        f"| `{name}` | {default} | {what.replace('|', chr(92) + '|')} |" for name, default, what in rows
    )
    yield ""


def reference(source: Schema) -> Iterator[str]:
    """Every value, its default, and what it means."""
    library = loaded(CHARTS / "diwan-lib" / "values.yaml")["defaults"]
    own = {chart: loaded(CHARTS / chart / "values.yaml") for chart in (*chart_names(), "trial")}
    yield "<!-- Generated from deploy/helm by `python scripts/helm_values.py`; do not edit. -->\n"
    yield "# Values of the charts\n"
    yield "Values of the umbrella chart `diwan`. Those of a program are below its name: `notary.api.replicas`.\n"
    yield "## global\n"
    yield from table(rows(source["global"], library["global"], "global."))
    for title, kind, charts in (
        ("A service", "service", platform().services),
        ("A connector", "connector", platform().connectors),
    ):
        yield f"## {title}: {', '.join(f'`{chart}`' for chart in charts)}\n"
        defaults = laid_over(library["program"], library[kind])
        yield from table(rows(source["program"] | source[kind], defaults, ""))
        for chart in charts:
            different = [
                f"`{chart}.{path}` {shown(looked_up(own[chart], path))}"
                for path, _ in leaves(program_source(source, chart))
                if looked_up(own[chart], path) != {}
            ]
            if different:
                yield f"Other defaults: {'; '.join(different)}.\n"
    yield "## Settings of the programs\n"
    yield "Set these below `<program>.settings`. A string may be a template (`{{ .Release.Name }}`). Secrets are not"
    yield "settings; they are mounted as files ([operate.md](../operate.md#install-for-production)).\n"
    for chart in chart_names():
        yield f"### {chart}.settings\n"
        yield from table(settings_rows(chart))
    yield "## trial\n"
    yield from table(rows(source["trial"], own["trial"], "trial."))


def rows(node: Schema, defaults: Any, prefix: str) -> Iterator[tuple[str, str, str]]:
    for path, leaf in leaves(node):
        yield prefix + path, shown(looked_up(defaults, path)), leaf["description"]


def settings_rows(chart: str) -> Iterator[tuple[str, str, str]]:
    fields = settings_class(chart).model_fields
    for field, said in settings_of(chart)["properties"].items():
        default = "required" if fields[field].is_required() else shown(fields[field].default)
        yield field, default, said["description"]


def loaded(path: Path) -> Any:
    """A YAML file; empty where a chart has no values of its own."""
    return (yaml.safe_load(path.read_text(encoding="utf-8")) if path.exists() else None) or {}


def main() -> None:
    """Write the files, or say which are not as they should be."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--check", action="store_true", help="write nothing; fail on drift")
    check = parser.parse_args().check
    source = loaded(CHARTS / "schema.yaml")
    files = {
        CHARTS / chart / "values.schema.json": rendered(schema, chart)
        for chart, schema in schemas(source).items()
    }
    files[REFERENCE] = "\n".join(reference(source))
    drifted = [path for path, text in files.items() if not path.exists() or path.read_text() != text]
    if check:
        if drifted:
            names = ", ".join(str(path.relative_to(ROOT)) for path in drifted)
            sys.exit(f"not as generated: {names}; run python scripts/helm_values.py")
        return
    for path in drifted:
        path.write_text(files[path], encoding="utf-8")
        print(f"wrote {path.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
