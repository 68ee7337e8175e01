"""Channels: where somebody signs in, which decides the tariff of what they ask for."""

from identity.model.errors import ChannelNotAllowed, ChannelUnknown

SELF_SERVICE = frozenset({"portal", "governorate_portal", "mobile_app"})
"""Where citizens serve themselves."""

STAFFED = frozenset({"post_office", "service_centre", "mobile_centre", "call_centre", "partner"})
"""Where officers serve them."""


def for_citizens(channel: str) -> str:
    """A channel of self-service, or ChannelUnknown, ChannelNotAllowed."""
    return _of(SELF_SERVICE, channel)


def for_officers(channel: str) -> str:
    """A staffed channel, or ChannelUnknown, ChannelNotAllowed."""
    return _of(STAFFED, channel)


def _of(allowed: frozenset[str], channel: str) -> str:
    if channel not in SELF_SERVICE | STAFFED:
        raise ChannelUnknown(field="channel")
    if channel not in allowed:
        raise ChannelNotAllowed(field="channel")
    return channel
