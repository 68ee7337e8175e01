"""A message between the broker and the inbox, before anything of it is believed."""

from collections.abc import Mapping
from dataclasses import dataclass

from chassis.messaging import headers, inbound
from chassis.store import InboxEntry

REFUSED = "refused"
"""Stands for the policy where a message was refused before any policy saw it."""

EXCHANGE = "exchange"
USER = "user_id"

_KEPT_CHARACTERS = 1024


@dataclass(frozen=True, kw_only=True)
class ReceivedMessage:
    """A message as the broker, or the inbox, hands it out."""

    queue: str
    exchange: str
    user: str | None
    attributes: Mapping[str, object]
    body: bytes

    @property
    def refused_id(self) -> str:
        """The inbox id of a message whose own id cannot be believed."""
        return f"{REFUSED}/{inbound.fingerprint(self.queue, self.kept(), self.body)}"

    def kept(self) -> dict[str, str]:
        """What is kept of its headers: those we know, as text that any store can hold, and where it came from."""
        known = [name for name in (*headers.REQUIRED, *headers.OPTIONAL) if name in self.attributes]
        return {**{name: _plain(self.attributes[name]) for name in known}, **self.origin()}

    def origin(self) -> dict[str, str]:
        """Where it came from, by the broker's word alone."""
        return {EXCHANGE: _plain(self.exchange), USER: _plain(self.user or "")}

    @classmethod
    def of(cls, entry: InboxEntry) -> "ReceivedMessage":
        """What an inbox entry kept."""
        kept = dict(entry.headers)
        exchange, user = str(kept.pop(EXCHANGE, "")), str(kept.pop(USER, ""))
        return cls(queue=entry.queue, exchange=exchange, user=user, attributes=kept, body=entry.body)


def _plain(value: object) -> str:
    """The value as bounded text; what cannot be printed is replaced, so that it is not taken for what it was."""
    text = str(value)[:_KEPT_CHARACTERS]
    return "".join(each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in text)
