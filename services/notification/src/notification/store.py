"""Notification's collections, their indexes and their queries. No other module handles documents."""

from dataclasses import dataclass
from typing import Any

from chassis.pages import Page
from chassis.store import Aggregates, Database, Index, dataclass_codec

from notification.model import Contact, Message

SCHEMA_VERSION = 1

_NEWEST = [("state.create_time", -1)]
_INDEXES = (
    Index(name="part", keys=[("state.parts.part_id", 1)]),
    Index(name="newest", keys=[*_NEWEST, ("_id", -1)]),
    Index(name="account", keys=[("state.account_id", 1), *_NEWEST, ("_id", -1)]),
    Index(name="request", keys=[("state.request_number", 1), *_NEWEST, ("_id", -1)]),
)


@dataclass(frozen=True)
class Store:
    """Contacts by account, and messages."""

    contacts: Aggregates[Contact]
    messages: Aggregates[Message]

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
