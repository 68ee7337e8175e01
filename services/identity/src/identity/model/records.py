"""Rules of what is kept on record: reads of accounts, and client assertions that were used."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from identity.model.errors import AssertionUsed, NotOwnAccount, PurposeRequired

# Beyond its end, so that clocks which differ do not make it good again.
_LONGER = timedelta(minutes=5)


def check_own(caller_account_id: str, account_id: str) -> None:
    """NotOwnAccount, whether or not the other account exists."""
    if caller_account_id != account_id:
        raise NotOwnAccount


def stated_purpose(purpose: str) -> str:
    """The reason for which a service reads an account; PurposeRequired if it states none."""
    if not purpose.strip():
        raise PurposeRequired
    return purpose.strip()


@dataclass(frozen=True)
class UsedAssertion:
    """A client assertion that was used; kept longer than it could be used again."""

    client: str
    forget_time: datetime


def use_assertion(kept: UsedAssertion | None, client: str, expire_time: datetime) -> UsedAssertion:
    """Use an assertion once, AssertionUsed the next time."""
    if kept is not None:
        raise AssertionUsed
    return UsedAssertion(client, expire_time + _LONGER)
