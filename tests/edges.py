"""The edges of the network in edges.yaml, and the expected edges of services that are not in it yet."""

from pathlib import Path

import yaml
from platform_table.load import platform

Edge = tuple[str, str, int]


def recorded() -> set[Edge]:
    """Return source, target and port of each edge in edges.yaml."""
    return {(source, target, port) for source, target, port in yaml.safe_load(_FILE.read_text())}


def unrecorded() -> set[Edge]:
    """Return the edges that every service has, and its calls, for services that are not in edges.yaml; today none."""
    named = {name for source, target, _ in recorded() for name in (source, target)}
    return {
        edge
        for name in platform().services
        if name not in named
        for edge in (
            (name, "rabbitmq", 5672),
            (name, f"{name}-store", 27017),
            (name, "collector", 4318),
            ("caller", name, 50051),
            *((name, called, 50051) for called in platform().programs[name].calls),
        )
    }


_FILE = Path(__file__).parent / "edges.yaml"
