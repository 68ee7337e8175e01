"""Resource attributes of the process, common to its traces, metrics and log lines.

Attributes of the deployment (pod, node, deployment, version of the image) come from the standard variable
`OTEL_RESOURCE_ATTRIBUTES`: `key=value` pairs separated by commas, values percent-encoded.
"""

import os
from collections.abc import Mapping
from urllib.parse import unquote

VARIABLE = "OTEL_RESOURCE_ATTRIBUTES"
NAMESPACE = "diwan"


def attributes(
    service: str,
    version: str = "",
    instance: str = "",
    environ: Mapping[str, str] | None = None,
) -> dict[str, str]:
    """Attributes by their names in OpenTelemetry's semantic conventions.

    Args:
        service: its name; the variable cannot override it.
        version: default, which the variable may override.
        instance: default, which the variable may override.
        environ: environment variables; the process's own if not given.
    """
    deployed = dict(_pairs((os.environ if environ is None else environ).get(VARIABLE, "")))
    defaults = {"service.namespace": NAMESPACE, "service.version": version, "service.instance.id": instance}
    return {**{key: value for key, value in defaults.items() if value}, **deployed, "service.name": service}


def _pairs(text: str) -> list[tuple[str, str]]:
    pairs = [pair.partition("=") for pair in text.split(",")]
    return [(key.strip(), unquote(value.strip())) for key, sign, value in pairs if sign and key.strip()]
