"""The network of the end user who calls an RPC without a token; rate limits are counted by it."""

import ipaddress
from collections.abc import Collection, Mapping
from typing import Final
from urllib.parse import unquote

from chassis.caller import Kind
from chassis.errors import ChassisError
from chassis.rpc.authentication import bearer
from chassis.tokens import TokenKeys

CLIENT_ADDRESS: Final = "diwan-client-address"
"""Metadata key with which a front service states the IP address of its user."""

_IPV6_PREFIX: Final = 64
"""Prefix of one subscriber: an IPv6 subscriber has many addresses, all in one network of this size."""


async def client_network(
    keys: TokenKeys, front_services: Collection[str], metadata: Mapping[str, str], peer: str
) -> str:
    """The network of the peer; if that is a front service with a token of its own, the network that it states.

    Args:
        keys: verifies the front service's token.
        front_services: services whose statement is trusted.
        metadata: of the call.
        peer: of the call, as gRPC writes it: `ipv4:192.0.2.7:443`, `ipv6:%5B2001:db8::7%5D:443`, `unix:…`.
    """
    stated = _network(metadata.get(CLIENT_ADDRESS, ""))
    if stated and front_services and await _is_front_service(keys, front_services, metadata):
        return stated
    return _network(unquote(peer).partition(":")[2].rpartition(":")[0].strip("[]"))


async def _is_front_service(
    keys: TokenKeys, front_services: Collection[str], metadata: Mapping[str, str]
) -> bool:
    try:
        caller = await keys.caller(bearer(metadata))
    except ChassisError:
        return False
    return caller.kind is Kind.SERVICE and caller.id in front_services


def _network(address: str) -> str:
    """The network of an IP address, or "" for a text that is none."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return ""
    if isinstance(parsed, ipaddress.IPv6Address):
        if parsed.ipv4_mapped:
            return f"{parsed.ipv4_mapped}/32"
        return str(ipaddress.ip_network((int(parsed), _IPV6_PREFIX), strict=False))
    return f"{parsed}/32"
