"""A sign-in, which becomes a session: one document from the first code to the last token."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from chassis.domain import Outcome

from identity.model.codes import MEMORY, Challenge, challenge
from identity.model.errors import SessionEnded
from identity.model.facts import CodeIssued, Fact, MessageContent

ACCESS_LIFE = timedelta(minutes=15)
SESSION_LIFE = timedelta(hours=12)


class Holder(StrEnum):
    """Whose session it is."""

    CITIZEN = "citizen"
    OFFICER = "officer"


class Stage(StrEnum):
    """How far it has come."""

    PENDING = "pending"
    OPEN = "open"
    ENDED = "ended"


@dataclass(frozen=True)
class Session:
    """A sign-in and the session it opens.

    Attributes:
        holder_id: account or officer; in a decoy the id that there would be.
        generation: which refresh token is good: 1 after sign-in, one more with each refresh; 0 before.
        issued_at: when the tokens of this generation were issued.
        end_time: when it ends by itself.
    """

    session_id: str
    holder: Holder
    holder_id: str
    channel: str
    challenge: Challenge
    stage: Stage
    generation: int
    issued_at: datetime
    end_time: datetime
    forget_time: datetime

    def complete(self, code_hash: str, now: datetime) -> Outcome["Session", Fact]:
        """Try the code; the right one opens the session, a wrong one is counted."""
        tried, refusal = self.challenge.attempt(code_hash, now)
        if refusal is not None:
            return Outcome(replace(self, challenge=tried), refusal=refusal)
        opened = replace(
            self,
            challenge=tried,
            stage=Stage.OPEN,
            generation=1,
            issued_at=now,
            end_time=now + SESSION_LIFE,
            forget_time=now + SESSION_LIFE + MEMORY,
        )
        return Outcome(opened)

    def is_open(self, now: datetime) -> bool:
        return self.stage is Stage.OPEN and now < self.end_time

    def refresh(self, generation: int, now: datetime) -> Outcome["Session", Fact]:
        """Take the refresh token of a generation and go on to the next.

        An old token is in two hands, of which one stole it: the session ends for both.
        """
        if not self.is_open(now):
            return Outcome(self, refusal=SessionEnded())
        if generation != self.generation:
            return Outcome(replace(self, stage=Stage.ENDED), refusal=SessionEnded())
        return Outcome(replace(self, generation=self.generation + 1, issued_at=now))

    def sign_out(self) -> Outcome["Session", Fact]:
        """End it; any refresh token that it ever gave will do, and an ended one stays ended."""
        return Outcome(replace(self, stage=Stage.ENDED))

    def issued(self, generation: int) -> datetime:
        """When the tokens of a generation were issued; SessionEnded if they are no longer the latest."""
        if self.stage is not Stage.OPEN or generation != self.generation:
            raise SessionEnded
        return self.issued_at


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
    """Start a sign-in. Without a mobile there is nobody to sign in: a decoy, the same from outside."""
    session = Session(
        session_id=session_id,
        holder=holder,
        holder_id=holder_id,
        channel=channel,
        challenge=challenge(code_hash, real=bool(mobile), now=now),
        stage=Stage.PENDING,
        generation=0,
        issued_at=now,
        end_time=now,
        forget_time=now + MEMORY,
    )
    filed = holder_id if holder is Holder.CITIZEN else ""
    sent = CodeIssued(
        "code.sign_in", MessageContent(mobile, {"code": code}), session.challenge.expire_time, filed
    )
    return Outcome(session, (sent,) if mobile else ())
