"""A message between the broker and the inbox, before anything of it is believed."""

from collections.abc import Mapping
from dataclasses import dataclass

from chassis.messaging import headers, incoming
from chassis.store import InboxEntry

REFUSED = "refused"
"""Stands for the policy where a message was refused before any policy saw it."""

EXCHANGE = "exchange"
USER = "user_id"

_KEPT_CHARACTERS = 1024


@dataclass(frozen=True, kw_only=True)
class Delivery:
    """A message as the broker, or the inbox, hands it out."""

    queue: str
    exchange: str
    user: str | None
    attributes: Mapping[str, object]
    body: bytes

    @property
    def refused_id(self) -> str:
        """The inbox id of a message whose own id cannot be believed."""
        return f"{REFUSED}/{incoming.fingerprint(self.queue, self.kept(), self.body)}"

    def kept(self) -> dict[str, str]:
        """What is kept of its headers: those we know, as text, and where it came from."""
        known = [name for name in self.attributes if name.startswith(headers.PREFIX) and "." not in name][:50]
        if headers.TRACEPARENT in self.attributes:
            known.append(headers.TRACEPARENT)
        told = {name: str(self.attributes[name])[:_KEPT_CHARACTERS] for name in known}
        return {**told, EXCHANGE: self.exchange, USER: self.user or ""}

    @classmethod
    def of(cls, entry: InboxEntry) -> "Delivery":
        """What an inbox entry kept."""
        kept = dict(entry.headers)
        exchange, user = str(kept.pop(EXCHANGE, "")), str(kept.pop(USER, ""))
        return cls(queue=entry.queue, exchange=exchange, user=user, attributes=kept, body=entry.body)
