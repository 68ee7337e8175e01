"""Confirmations of one exact content by a citizen, with a code."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from chassis.domain import Outcome

from identity.model.codes import RETENTION, Challenge, challenge
from identity.model.errors import ConfirmationNotFound
from identity.model.facts import CodeIssued, Fact, MessageContent

STATEMENT_LIFETIME = timedelta(minutes=5)


@dataclass(frozen=True)
class Confirmation:
    """A confirmation of a content, which identity has only as a digest.

    Attributes:
        session_id: the session in which it was started, and in which alone it can be completed.
        purpose: the confirmed action, such as `notary.power_of_attorney.submit`.
        digest: SHA-256 of the content, 64 hex digits.
        confirmed_at: time of the right code; the start of the signed statement's lifetime.
    """

    confirmation_id: str
    account_id: str
    session_id: str
    purpose: str
    digest: str
    challenge: Challenge
    confirmed_at: datetime | None
    forget_time: datetime

    def complete(
        self, account_id: str, session_id: str, code_hash: str, now: datetime
    ) -> Outcome["Confirmation", Fact]:
        """Check a code; a wrong one is counted. ConfirmationNotFound if it is another account's or session's."""
        if (account_id, session_id) != (self.account_id, self.session_id):
            raise ConfirmationNotFound
        tried, refusal = self.challenge.attempt(code_hash, now)
        confirmed_at = self.confirmed_at if refusal else now
        return Outcome(replace(self, challenge=tried, confirmed_at=confirmed_at), refusal=refusal)


def start_confirmation(
    *,
    confirmation_id: str,
    account_id: str,
    session_id: str,
    mobile: str,
    purpose: str,
    digest: str,
    code: str,
    code_hash: str,
    now: datetime,
) -> Outcome[Confirmation, Fact]:
    """Start a confirmation: issue a code for account, purpose and content."""
    confirmation = Confirmation(
        confirmation_id=confirmation_id,
        account_id=account_id,
        session_id=session_id,
        purpose=purpose,
        digest=digest,
        challenge=challenge(code_hash, real=True, now=now),
        confirmed_at=None,
        forget_time=now + RETENTION,
    )
    sent = CodeIssued(
        "code.confirmation",
        MessageContent(mobile, {"code": code}),
        confirmation.challenge.expire_time,
        account_id,
    )
    return Outcome(confirmation, (sent,))
