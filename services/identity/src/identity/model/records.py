"""Rules of reads of accounts, and of used client assertions."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from identity.model.errors import AssertionUsed, NotOwnAccount, PurposeRequired

# Retention after the expiry, so that a difference of clocks does not make an assertion valid again.
_LONGER = timedelta(minutes=5)


def check_own(caller_account_id: str, account_id: str) -> None:
    """Raise NotOwnAccount for another account, whether or not it exists."""
    if caller_account_id != account_id:
        raise NotOwnAccount


def stated_purpose(purpose: str) -> str:
    """The reason for which a service reads an account; PurposeRequired if it states none."""
    if not purpose.strip():
        raise PurposeRequired
    return purpose.strip()


@dataclass(frozen=True)
class UsedAssertion:
    """A used client assertion, stored until after its expiry."""

    client: str
    forget_time: datetime


def use_assertion(kept: UsedAssertion | None, client: str, expire_time: datetime) -> UsedAssertion:
    """Record the use of an assertion; AssertionUsed if it was used before."""
    if kept is not None:
        raise AssertionUsed
    return UsedAssertion(client, expire_time + _LONGER)
