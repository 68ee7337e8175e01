"""Who calls tries again as the operator's guide tells whoever writes a client."""

import json
from pathlib import Path

from chassis.rpc.client import _CONFIG
from demo.calls import SERVICE_CONFIG

GUIDE = Path(__file__).resolve().parent.parent / "docs" / "operate.md"


def published():
    text = GUIDE.read_text()
    config, _ = json.JSONDecoder().raw_decode(text[text.index('{"loadBalancingConfig"') :])
    return config


def test_the_driver_keeps_to_it():
    """Or what tests/cluster counts would say nothing of other clients."""
    assert published() == SERVICE_CONFIG


def test_services_keep_to_it():
    """But for the deadline, which a service states with each call: what is left of its own caller's."""
    config = published()
    (method,) = config["methodConfig"]
    del method["timeout"]

    assert config == _CONFIG
