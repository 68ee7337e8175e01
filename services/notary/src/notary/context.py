"""Dependencies of notary's use cases, created once."""

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from chassis.times import utc_now
from chassis.tokens import TokenKeys

from notary.accounts import Accounts
from notary.catalogue import Catalogue
from notary.metrics import Metrics
from notary.model.content import VERIFICATION_CODE_LETTERS, crockford
from notary.store import Store


def new_code() -> str:
    """A verification code: twelve letters from sixty random bits."""
    return crockford(secrets.randbits(5 * VERIFICATION_CODE_LETTERS), VERIFICATION_CODE_LETTERS)


@dataclass(frozen=True)
class Context:
    """Stores, clients, keys, metrics, limits, and the sources of time and codes."""

    store: Store
    accounts: Accounts
    keys: TokenKeys
    catalogue: Catalogue
    metrics: Metrics
    drafts_per_hour: int
    clock: Callable[[], datetime] = utc_now
    new_code: Callable[[], str] = new_code
