"""Outcomes of a delivery. A handler returns one of these; it raises nothing on purpose."""

from dataclasses import dataclass

from chassis.connector.events import OutboundEvent


@dataclass(frozen=True)
class Done:
    """The request was carried out; these events state it."""

    events: tuple[OutboundEvent, ...] = ()


@dataclass(frozen=True)
class Refused:
    """The external system refused for good; these events state it."""

    events: tuple[OutboundEvent, ...] = ()


@dataclass(frozen=True)
class Unknown:
    """The effect is unknown and the request is not repeated; these events state it."""

    events: tuple[OutboundEvent, ...] = ()


@dataclass(frozen=True)
class Retry:
    """The request was not carried out, or may safely be repeated: retried after a pause, parked after the last attempt.

    Attributes:
        reason: for logs and metrics, of low cardinality, no personal data.
        progress: state that the next attempt needs (`Delivery.progress`), no personal data.
        giving_up: events published when the message is parked after the last attempt.
    """

    reason: str
    progress: str = ""
    giving_up: tuple[OutboundEvent, ...] = ()


@dataclass(frozen=True)
class Park:
    """The message waits for an operator."""

    reason: str


Outcome = Done | Refused | Unknown | Retry | Park
