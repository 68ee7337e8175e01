"""What is kept on record: who looked at whose data, and which client assertions were used."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from identity.model.errors import AssertionUsed, NotOwnAccount, PurposeRequired

# Beyond its end, so that clocks which differ do not make it good again.
_LONGER = timedelta(minutes=5)


@dataclass(frozen=True)
class Look:
    """A look at a citizen's data: who, on whose behalf, at whom, why, when."""

    look_id: str
    service: str
    acting_for: str
    account_id: str
    purpose: str
    at: datetime


def own_look(caller_account_id: str, account_id: str) -> None:
    """NotOwnAccount, whether or not the other account exists."""
    if caller_account_id != account_id:
        raise NotOwnAccount


def service_look(
    *, look_id: str, service: str, acting_for: str, account_id: str, purpose: str, now: datetime
) -> Look:
    """A look by a service; PurposeRequired if it does not say why."""
    if not purpose.strip():
        raise PurposeRequired
    return Look(look_id, service, acting_for, account_id, purpose.strip(), now)


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
