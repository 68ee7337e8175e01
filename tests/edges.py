"""The edges of the network as recorded in edges.yaml, and the edges that a service has before it is recorded there."""

from pathlib import Path

import yaml
from platform_table.load import platform

Edge = tuple[str, str, int]


def recorded() -> set[Edge]:
    """From, to and port of each edge in edges.yaml."""
    return {(source, target, port) for source, target, port in yaml.safe_load(_FILE.read_text())}


def unrecorded() -> set[Edge]:
    """What every service has, and its calls, for the services that edges.yaml does not name; today there is none."""
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
