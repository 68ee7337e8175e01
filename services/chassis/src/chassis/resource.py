"""Which process this is: the attributes that its traces, metrics and log lines have in common.

What only the place knows (pod, node, deployment, version of the image) comes by the standard variable
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
        service: its name, which the place cannot change.
        version: unless the place says another.
        instance: unless the place says another.
        environ: the process's own if not given.
    """
    said = dict(_pairs((os.environ if environ is None else environ).get(VARIABLE, "")))
    ours = {"service.namespace": NAMESPACE, "service.version": version, "service.instance.id": instance}
    return {**{key: value for key, value in ours.items() if value}, **said, "service.name": service}


def _pairs(text: str) -> list[tuple[str, str]]:
    split = [pair.partition("=") for pair in text.split(",")]
    return [(key.strip(), unquote(value.strip())) for key, sign, value in split if sign and key.strip()]
