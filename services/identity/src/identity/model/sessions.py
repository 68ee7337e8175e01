"""Sign-ins and the sessions that they open: one document for both."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from chassis.domain import Outcome

from identity.model.codes import RETENTION, Challenge, challenge
from identity.model.errors import SessionEnded
from identity.model.facts import CodeIssued, Fact, MessageContent, RevocationReason
from identity.model.revocations import ACCESS_LIFETIME, of_session

SESSION_LIFETIME = timedelta(hours=12)
MAX_GENERATION = 200
"""The last generation, several times that of a client that refreshes in time. The store remembers 256 requests of a
session and refuses further ones: without the difference, refreshes could use up those of a sign-out."""
DEVICE_LIFETIME = timedelta(days=90)
"""Time from a sign-in for which its device is known; the session's document is kept for as long."""


class Holder(StrEnum):
    """Kind of a session's holder."""

    CITIZEN = "citizen"
    OFFICER = "officer"


class Stage(StrEnum):
    """Stage of a session: before the code, open, ended."""

    PENDING = "pending"
    OPEN = "open"
    ENDED = "ended"


@dataclass(frozen=True)
class Session:
    """A sign-in and the session it opens.

    Attributes:
        holder_id: id of the account or officer; in a decoy a derived id without a holder.
        start_time: time of the sign-in's start; a later revocation for all sessions of the holder covers this one.
        generation: number of the valid refresh token: 1 after sign-in, one more with each refresh; 0 before.
        issued_at: time of issue of this generation's tokens.
        end_time: expiry of the session.
    """

    session_id: str
    holder: Holder
    holder_id: str
    channel: str
    challenge: Challenge
    stage: Stage
    start_time: datetime
    generation: int
    issued_at: datetime
    end_time: datetime
    forget_time: datetime

    def complete(self, code_hash: str, now: datetime) -> Outcome["Session", Fact]:
        """Check a code; the right one opens the session, a wrong one is counted."""
        tried, refusal = self.challenge.attempt(code_hash, now)
        if refusal is not None:
            return Outcome(replace(self, challenge=tried), refusal=refusal)
        opened = replace(
            self,
            challenge=tried,
            stage=Stage.OPEN,
            generation=1,
            issued_at=now,
            end_time=now + SESSION_LIFETIME,
            forget_time=now + DEVICE_LIFETIME,
        )
        return Outcome(opened)

    def is_open(self, now: datetime) -> bool:
        return self.stage is Stage.OPEN and now < self.end_time

    def outlasts(self, revoke_time: datetime | None) -> bool:
        """Whether it was started after the last revocation for all sessions of its holder, if there was one."""
        return revoke_time is None or self.start_time > revoke_time

    def refresh(self, generation: int, now: datetime) -> Outcome["Session", Fact]:
        """Exchange the refresh token of a generation for the next generation.

        An old token was used twice, so it may be stolen: the session ends, and its access tokens are revoked. The token
        of the last generation is refused; the session stays open for a sign-out.
        """
        if not self.is_open(now):
            return Outcome(self, refusal=SessionEnded())
        if generation != self.generation:
            revoked = of_session(self.session_id, RevocationReason.REFRESH_TOKEN_REUSED, now)
            return Outcome(self._ended(now), (revoked,), refusal=SessionEnded())
        if generation >= MAX_GENERATION:
            return Outcome(self, refusal=SessionEnded())
        return Outcome(replace(self, generation=self.generation + 1, issued_at=now))

    def sign_out(self, now: datetime) -> Outcome["Session", Fact]:
        """End the session and revoke its access tokens; idempotent, with the refresh token of any generation."""
        if self.stage is Stage.ENDED:
            return Outcome(self)
        revoked = of_session(self.session_id, RevocationReason.SIGNED_OUT, now)
        return Outcome(self._ended(now), (revoked,))

    def _ended(self, now: datetime) -> "Session":
        return replace(self, stage=Stage.ENDED, forget_time=now + RETENTION)

    def knows_device(self, holder_id: str, revoke_time: datetime | None, now: datetime) -> bool:
        """Whether a device that has opened this session is known: it was not signed out, and not all devices were."""
        return (
            self.stage is Stage.OPEN
            and self.holder_id == holder_id
            and now < self.forget_time
            and self.outlasts(revoke_time)
        )

    def issued(self, generation: int) -> datetime:
        """Time of issue of a generation's tokens; SessionEnded if it is not the latest, or the session not open."""
        if self.stage is not Stage.OPEN or generation != self.generation:
            raise SessionEnded
        return self.issued_at

    def token_lifetime(self, issue_time: datetime) -> timedelta:
        """Lifetime of an access token: 15 minutes, but not beyond the end of the session."""
        return min(ACCESS_LIFETIME, self.end_time - issue_time)


def start_sign_in(
    *,
    session_id: str,
    holder: Holder,
    holder_id: str,
    channel: str,
    mobile: str,
    code: str,
    code_hash: str,
    now: datetime,
) -> Outcome[Session, Fact]:
    """Start a sign-in. Without a mobile there is no holder: it is a decoy, with the same response."""
    session = Session(
        session_id=session_id,
        holder=holder,
        holder_id=holder_id,
        channel=channel,
        challenge=challenge(code_hash, real=bool(mobile), now=now),
        stage=Stage.PENDING,
        start_time=now,
        generation=0,
        issued_at=now,
        end_time=now,
        forget_time=now + RETENTION,
    )
    account_id = holder_id if holder is Holder.CITIZEN else ""
    sent = CodeIssued(
        "code.sign_in", MessageContent(mobile, {"code": code}), session.challenge.expire_time, account_id
    )
    return Outcome(session, (sent,) if mobile else ())
