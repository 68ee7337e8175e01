"""What may come of a delivery. A handler returns one of these; it raises nothing on purpose."""

from dataclasses import dataclass

from chassis.connector.events import OutboundEvent


@dataclass(frozen=True)
class Done:
    """It was done; these events say so."""

    events: tuple[OutboundEvent, ...] = ()


@dataclass(frozen=True)
class Refused:
    """The outside world refused for good; these events say so."""

    events: tuple[OutboundEvent, ...] = ()


@dataclass(frozen=True)
class Unknown:
    """It may or may not have been done, and is not tried again; these events say so."""

    events: tuple[OutboundEvent, ...] = ()


@dataclass(frozen=True)
class Retry:
    """It was not done, or may safely be done again: put aside for a while, parked after the last time.

    Attributes:
        reason: for logs and metrics, of low cardinality, no personal data.
        progress: what the next try must know of this one (`Delivery.progress`), no personal data.
        giving_up: published beside the parking when this was the last try.
    """

    reason: str
    progress: str = ""
    giving_up: tuple[OutboundEvent, ...] = ()


@dataclass(frozen=True)
class Park:
    """Nobody but an operator can say what to do with it."""

    reason: str


Outcome = Done | Refused | Unknown | Retry | Park
