"""Deletion of old documents, for retention."""

from datetime import datetime
from typing import TYPE_CHECKING

from chassis.store.document import Document
from chassis.store.driver import translated

if TYPE_CHECKING:
    from motor.motor_asyncio import AsyncIOMotorCollection

SENT = {"unsent": 0}
"""Condition on an aggregate without unsent events: only such a one may be deleted."""


async def delete_older(
    collection: "AsyncIOMotorCollection[Document]",
    field: str,
    before: datetime,
    *,
    where: Document,
    limit: int,
) -> int:
    """Delete the oldest documents that match, whose time is before `before`.

    Args:
        collection: the collection, with an index on the fields of `where` and the time.
        field: document field with the time.
        before: UTC.
        where: condition that is true at the deletion too.
        limit: maximum of documents.

    Returns:
        The number of deleted documents.

    Raises:
        StoreUnavailable: the server does not respond.
    """
    old = {**where, field: {"$lt": before}}
    with translated():
        documents = await collection.find(old, {"_id": 1}).sort(field, 1).limit(limit).to_list(limit)
        if not documents:
            return 0
        result = await collection.delete_many({**old, "_id": {"$in": [each["_id"] for each in documents]}})
    return result.deleted_count
