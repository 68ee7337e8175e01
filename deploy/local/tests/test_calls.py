"""The driver calls as every client is told to."""

import json

from demo.calls import SERVICE_CONFIG
from embedded.layout import CHECKOUT


def test_the_service_config_is_the_one_that_is_published():
    """In the operator's guide, for whoever writes a client."""
    guide = (CHECKOUT / "docs" / "operate.md").read_text()
    block = guide[guide.index('{"loadBalancingConfig"') :]

    published, _ = json.JSONDecoder().raw_decode(block)

    assert published == SERVICE_CONFIG
