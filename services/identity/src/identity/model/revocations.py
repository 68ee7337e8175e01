"""Revocation of access tokens before their expiry: by the end of a session, or for all sessions of a holder."""

from datetime import datetime, timedelta

from identity.model.facts import AccessRevoked, RevocationReason

ACCESS_LIFETIME = timedelta(minutes=15)

# Added to the lifetime of the tokens for the clocks of services, which accept a token for 30 seconds after its expiry.
_CLOCKS = timedelta(minutes=1)
_SECOND = timedelta(seconds=1)


def of_session(session_id: str, reason: RevocationReason, now: datetime) -> AccessRevoked:
    """The revocation of one session's tokens."""
    return AccessRevoked(session_id, "", now, now + ACCESS_LIFETIME + _CLOCKS, reason)


def of_holder(holder_id: str, reason: RevocationReason, now: datetime) -> AccessRevoked:
    """The revocation of all tokens that an account or officer has until now."""
    return AccessRevoked("", holder_id, now, now + ACCESS_LIFETIME + _CLOCKS, reason)


def first_issue_time(time: datetime, revoke_time: datetime | None) -> datetime:
    """The time of issue of a token, after the holder's last revocation in whole seconds.

    Tokens state it in whole seconds. One that is issued in the second of a revocation, but after it, would count as
    revoked: it states the next second.
    """
    if revoke_time is None:
        return time
    return max(time, revoke_time.replace(microsecond=0) + _SECOND)
