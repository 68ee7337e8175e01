"""Write the charts' schemas and docs/reference/values.md from deploy/helm/schema.yaml and the programs' settings.

    python scripts/helm_values.py [--check]

`--check` writes nothing and fails when a file differs from its generated content.
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
from chassis.telemetry import SAMPLERS
from platform_table.load import platform
from platform_table.table import IDENTITY
from pydantic_settings import BaseSettings

# The import of the connectors' settings imports eventlet, whose deprecation is known (docs/adr/0004).
warnings.filterwarnings("ignore", message=r"\s*Eventlet is deprecated")

ROOT = Path(__file__).resolve().parent.parent
CHARTS = ROOT / "deploy" / "helm"
REFERENCE = ROOT / "docs" / "reference" / "values.md"

GIVEN_BY_CHART = {
    "broker_uri", "http_listen", "callbacks_listen", "keys_dir", "drain_seconds", "store_uri", "store_database",
    "grpc_listen", "state_dir", "callback_key_file",
}  # fmt: skip
KEPT_RULES = ("type", "enum", "pattern", "minimum", "maximum", "exclusiveMinimum", "minLength", "maxLength")

Schema = dict[str, Any]

CIDR: Schema = {
    "type": "string",
    "pattern": r"^([0-9]{1,3}(\.[0-9]{1,3}){3}|[0-9a-fA-F:]*:[0-9a-fA-F:]*)/[0-9]{1,3}$",
}
PEERS: Schema = {
    "type": "array",
    "items": {
        "type": "object",
        "minProperties": 1,
        "additionalProperties": False,
        "properties": {
            "podSelector": {"type": "object"},
            "namespaceSelector": {"type": "object"},
            "ipBlock": {
                "type": "object",
                "additionalProperties": False,
                "required": ["cidr"],
                "properties": {"cidr": CIDR, "except": {"type": "array", "items": CIDR}},
            },
        },
    },
}
_NUMBER = r"[0-9]+(\.[0-9]+)?"
# Quantities of Kubernetes without its exponents, which nobody writes in values.
_CPU: Schema = {"type": ["string", "number"], "minimum": 0, "pattern": f"^{_NUMBER}m?$"}
_BYTES: Schema = {"type": ["string", "number"], "minimum": 0, "pattern": f"^{_NUMBER}(k|[KMGTPE]i|[MGTPE])?$"}
RESOURCES: Schema = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        name: {
            "type": "object",
            "properties": {"cpu": _CPU, "memory": _BYTES, "ephemeral-storage": _BYTES},
            "additionalProperties": _BYTES,
        }
        for name in ("requests", "limits")
    },
}
# The rules of Kubernetes: an optional DNS prefix and a name of at most 63 characters; a value of at most 63.
_KEY = r"^([a-z0-9]([a-z0-9.-]*[a-z0-9])?/)?[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?$"
ANNOTATIONS: Schema = {
    "type": "object",
    "additionalProperties": False,
    "patternProperties": {_KEY: {"type": "string"}},
}
LABELS: Schema = ANNOTATIONS | {
    "patternProperties": {
        _KEY: {"type": "string", "pattern": "^([A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?)?$"}
    },
}
VARIABLES: Schema = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "OTEL_TRACES_SAMPLER": {"enum": [p + s for p in ("", "parentbased_") for s in SAMPLERS]},
        "OTEL_TRACES_SAMPLER_ARG": {"type": "string", "pattern": r"^(0(\.[0-9]+)?|1(\.0+)?)$"},
        # Set by the chart: a second entry of the same name would be refused by Kubernetes' server-side apply.
        **dict.fromkeys(("OTEL_RESOURCE_ATTRIBUTES", "OTEL_EXPORTER_OTLP_ENDPOINT"), False),
    },
    "patternProperties": {"^OTEL_[A-Z_]+$": {"type": "string"}},
}
SHAPES = {
    "$peers": PEERS,
    "$resources": RESOURCES,
    "$labels": LABELS,
    "$annotations": ANNOTATIONS,
    "$variables": VARIABLES,
}


def chart_names() -> tuple[str, ...]:
    """Return the names of the programs that have a chart."""
    return tuple(program.name for program in platform().installed)


def is_leaf(node: Schema) -> bool:
    """Whether a node of the source is a single value, not a group of values."""
    return isinstance(node.get("description"), str)


def schema_of(node: Schema) -> Schema:
    """Return the JSON Schema of a node of the source; every object is closed."""
    if not is_leaf(node):
        return closed({name: schema_of(child) for name, child in node.items()})
    rules = {name: rule for name, rule in node.items() if not name.startswith("$")}
    shape = next((shape for name, shape in SHAPES.items() if name in node), {})
    return shape | rules


def closed(properties: Schema, required: tuple[str, ...] = ()) -> Schema:
    schema: Schema = {"type": "object", "additionalProperties": False, "properties": properties}
    return schema | ({"required": list(required)} if required else {})


def settings_class(chart: str) -> type[BaseSettings]:
    """Return the class `Settings` of the program's `settings` module."""
    module = importlib.import_module(f"{platform().programs[chart].package}.settings")
    settings: type[BaseSettings] = module.Settings
    return settings


def set_by_table(chart: str) -> set[str]:
    """Return the settings that the chart sets from the program's entry in the platform table."""
    program = platform().programs[chart]
    given = {f"{called}_target" for called in program.calls}
    given |= {secret.replace("-", "_") for secret in program.secrets}
    return given | ({"services", "identity_target"} if chart == IDENTITY else set())


def settings_of(chart: str) -> Schema:
    """Return the schema of the settings of a program that its chart does not set."""
    settings = settings_class(chart)
    given = GIVEN_BY_CHART | set_by_table(chart)
    schema = settings.model_json_schema()
    properties = {
        field: {"description": (settings.model_fields[field].description or "").strip()}
        | {rule: _or_template(rule, rules[rule]) for rule in KEPT_RULES if rule in rules}
        for field, rules in schema["properties"].items()
        if field not in given
    }
    return closed(properties, tuple(name for name in schema.get("required", ()) if name in properties))


def _or_template(rule: str, value: Any) -> Any:
    """A rule of a setting; a pattern also accepts a template, which the program checks when it is filled in."""
    return rf"{value}|\{{\{{" if rule == "pattern" else value


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
    """Return a schema for each chart; the umbrella leaves the values below a program's name to that program's chart."""
    schemas = {chart: program(source, chart) for chart in chart_names()}
    schemas["trial"] = closed(schema_of(source["trial"])["properties"] | common(source))
    parts = {chart: {"type": "object"} for chart in (*chart_names(), "trial")}
    schemas["diwan"] = closed(parts | common(source))
    return schemas


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


def value_at(values: Any, path: str) -> Any:
    for name in path.split("."):
        values = values.get(name, {}) if isinstance(values, dict) else {}
    return values


def merged(below: Any, above: Any) -> Any:
    if not (isinstance(below, dict) and isinstance(above, dict)):
        return above
    return below | {key: merged(below.get(key), value) for key, value in above.items()}


def format_default(value: Any) -> str:
    """Format a default for a cell of the table."""
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
    """Yield the lines of the reference: every value with its default and meaning."""
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
        defaults = merged(library["program"], library[kind])
        yield from table(rows(source["program"] | source[kind], defaults, ""))
        for chart in charts:
            different = [
                f"`{chart}.{path}` {format_default(value_at(own[chart], path))}"
                for path, _ in leaves(program_source(source, chart))
                if value_at(own[chart], path) != {}
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
        yield prefix + path, format_default(value_at(defaults, path)), leaf["description"]


def settings_rows(chart: str) -> Iterator[tuple[str, str, str]]:
    fields = settings_class(chart).model_fields
    for field, rules in settings_of(chart)["properties"].items():
        default = "required" if fields[field].is_required() else format_default(fields[field].default)
        yield field, default, rules["description"]


def loaded(path: Path) -> Any:
    """Load a YAML file; a missing file is empty."""
    return (yaml.safe_load(path.read_text(encoding="utf-8")) if path.exists() else None) or {}


def main() -> None:
    """Write the files, or name those that differ."""
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
