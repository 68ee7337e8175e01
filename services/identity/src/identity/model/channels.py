"""Channels of sign-in and enrolment; the channel selects the tariff of a service."""

from identity.model.errors import ChannelNotAllowed, ChannelUnknown

SELF_SERVICE = frozenset({"portal", "governorate_portal", "mobile_app"})
"""Channels of citizens."""

STAFFED = frozenset({"post_office", "service_centre", "mobile_centre", "call_centre", "partner"})
"""Channels of officers."""


def for_citizens(channel: str) -> str:
    """The channel, if it is one of self-service; ChannelUnknown or ChannelNotAllowed."""
    return _of(SELF_SERVICE, channel)


def for_officers(channel: str) -> str:
    """The channel, if it is a staffed one; ChannelUnknown or ChannelNotAllowed."""
    return _of(STAFFED, channel)


def _of(allowed: frozenset[str], channel: str) -> str:
    if channel not in SELF_SERVICE | STAFFED:
        raise ChannelUnknown(field="channel")
    if channel not in allowed:
        raise ChannelNotAllowed(field="channel")
    return channel
