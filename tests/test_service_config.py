"""Service config and channel options of the clients are those that docs/operate.md publishes."""

import json
import re
from pathlib import Path

from chassis.rpc import client
from demo import calls

GUIDE = Path(__file__).resolve().parent.parent / "docs" / "operate.md"


def published():
    text = GUIDE.read_text()
    config, _ = json.JSONDecoder().raw_decode(text[text.index('{"loadBalancingConfig"') :])
    return config


def test_the_driver_uses_the_published_config():
    """The counts of tests/cluster are valid for other clients only if the driver behaves like them."""
    assert published() == calls.SERVICE_CONFIG


def test_services_use_the_published_config():
    """Except for deadlines: a service has the remaining time of its caller, and answers it before that is over."""
    config = published()
    (method,) = config["methodConfig"]
    del method["timeout"], method["waitForReady"]

    assert config == client.SERVICE_CONFIG


def test_all_clients_use_the_published_channel_options():
    """Each option has a row with its purpose."""
    rows = re.findall(r"^\| `(grpc\.[a-z0-9_.]+)` \| (\d+) \| \S", GUIDE.read_text(), re.MULTILINE)
    options = {name: int(value) for name, value in rows}

    assert options == calls.CHANNEL_OPTIONS == client.CHANNEL_OPTIONS
