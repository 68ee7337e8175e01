"""The gRPC service config of the clients is the one that docs/operate.md publishes."""

import json
from pathlib import Path

from chassis.rpc.client import _CONFIG
from demo.calls import SERVICE_CONFIG

GUIDE = Path(__file__).resolve().parent.parent / "docs" / "operate.md"


def published():
    text = GUIDE.read_text()
    config, _ = json.JSONDecoder().raw_decode(text[text.index('{"loadBalancingConfig"') :])
    return config


def test_the_driver_uses_the_published_config():
    """The counts of tests/cluster are valid for other clients only if the driver behaves like them."""
    assert published() == SERVICE_CONFIG


def test_services_use_the_published_config():
    """Except for the timeout: a service sets the deadline of each call from that of its own caller."""
    config = published()
    (method,) = config["methodConfig"]
    del method["timeout"]

    assert config == _CONFIG
