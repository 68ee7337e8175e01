"""Notification's collections, their indexes and their queries. No other module handles documents."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from chassis.pages import Page
from chassis.store import Aggregates, Database, Index, Limits, dataclass_codec

from notification.model import Contact, Message
from notification.references import References

SCHEMA_VERSION = 1
LATEST = 200
"""Messages to one recipient that a receipt without a known part is compared with."""
CAUSES_OF_REFERENCES = 8
"""Latest causes kept with a recipient's references; each allocation has a cause of its own."""

_NEWEST = [("state.create_time", -1)]
_INDEXES = (
    Index(name="part", keys=[("state.parts.part_id", 1)]),
    Index(name="newest", keys=[*_NEWEST, ("_id", -1)]),
    Index(name="recipient", keys=[("state.recipient", 1), *_NEWEST]),
    Index(name="account", keys=[("state.account_id", 1), *_NEWEST, ("_id", -1)]),
    Index(name="request", keys=[("state.request_number", 1), *_NEWEST, ("_id", -1)]),
)


@dataclass(frozen=True)
class Store:
    """Contacts by account, messages, and the concatenation references by recipient."""

    contacts: Aggregates[Contact]
    messages: Aggregates[Message]
    references: Aggregates[References]

    @classmethod
    async def open(cls, database: Database) -> "Store":
        """Open the collections and create their indexes."""
        return cls(
            await database.aggregates("contacts", dataclass_codec(Contact)),
            await database.aggregates(
                "messages",
                dataclass_codec(Message),
                indexes=_INDEXES,
                correlation=lambda message: message.request_number,
            ),
            await database.aggregates(
                "references",
                dataclass_codec(References),
                limits=Limits(processed_events=CAUSES_OF_REFERENCES),
            ),
        )

    async def contact(self, account_id: str) -> Contact | None:
        """The contact of an account, None if there is none."""
        loaded = await self.contacts.load(account_id)
        return loaded.state if loaded else None

    async def message(self, message_id: str) -> Message | None:
        """One message by id."""
        loaded = await self.messages.load(message_id)
        return loaded.state if loaded else None

    async def with_part(self, part_id: str) -> Message | None:
        """The message that has a part of this id, the newest if the operator reused an id."""
        messages = await self.messages.find(
            {"state.parts.part_id": part_id}, sort=[*_NEWEST, ("_id", -1)], limit=1
        )
        return messages[0] if messages else None

    async def latest_to(self, recipient: str, since: datetime) -> list[Message]:
        """The latest messages to a recipient that were created since then, at most `LATEST`."""
        return await self.messages.find(
            {"state.recipient": recipient, "state.create_time": {"$gte": since}}, sort=_NEWEST, limit=LATEST
        )

    async def newest(
        self, *, account_id: str, request_number: str, page_size: int, page_token: str
    ) -> Page[Message]:
        """A page of messages, newest first; of the given account or request number, if any."""
        where: dict[str, Any] = {}
        if account_id:
            where["state.account_id"] = account_id
        if request_number:
            where["state.request_number"] = request_number
        return await self.messages.page(where, sort=_NEWEST, page_size=page_size, page_token=page_token)
