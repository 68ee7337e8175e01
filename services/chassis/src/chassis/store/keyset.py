"""Keyset pagination: a query's order, its filter after a position, and the tokens of its pages."""

import base64
import hashlib
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import bson
from bson.errors import BSONError

from chassis.pages import DEFAULT_SIZE, MAX_SIZE, Cursor, PageTokenInvalid
from chassis.store.document import OPTIONS, Document
from chassis.store.errors import LimitExceeded

_QUERY_HASH_BYTES = 8


class Keyset:
    """One query whose documents are read page by page.

    Attributes:
        sort: the order of its documents: the given fields, then `_id` in the direction of the last of them.
    """

    def __init__(self, collection: str, where: Mapping[str, Any], sort: Sequence[tuple[str, int]]) -> None:
        """Prepare a query.

        Args:
            collection: name of the collection.
            where: the filter.
            sort: document fields and 1 or -1. In each document their values must be text, integer or time.
        """
        self.sort = [*sort, ("_id", sort[-1][1] if sort else 1)]
        self._where = dict(where)
        query = bson.encode({"collection": collection, "where": self._where, "sort": self.sort})
        self._query_hash = hashlib.sha256(query).digest()[:_QUERY_HASH_BYTES]

    def filter(self, after: Cursor | None) -> Document:
        """The filter for the documents after a position, or for all documents if it is None."""
        if after is None:
            return self._where
        values = (*after.values, after.id)
        alternatives: list[Document] = []
        for number, (field, direction) in enumerate(self.sort):
            equal = {name: value for (name, _), value in zip(self.sort[:number], values, strict=False)}
            alternatives.append({**equal, field: {"$gt" if direction > 0 else "$lt": values[number]}})
        return {"$and": [self._where, {"$or": alternatives}]}

    def cursor(self, document: Mapping[str, Any]) -> Cursor:
        """The position of a document; KeyError if it lacks a field of the order."""
        return Cursor(tuple(_value(document, field) for field, _ in self.sort[:-1]), document["_id"])

    def page(self, documents: Sequence[Document], size: int) -> tuple[Sequence[Document], str]:
        """The first `size` of at most `size` + 1 documents, and the token of the next page.

        The additional document shows that there is a next page; without it the token is empty.
        """
        shown = documents[:size]
        return shown, self._token(self.cursor(shown[-1])) if len(documents) > size else ""

    def position(self, token: str) -> Cursor | None:
        """The position in a page token; None for the empty token of the first page.

        Raises:
            PageTokenInvalid: the token is malformed, or was issued for another query.
        """
        if not token:
            return None
        try:
            content = bson.decode(base64.b64decode(token.encode(), altchars=b"-_", validate=True), OPTIONS)
            query_hash, values, last = content["query"], content["values"], content["id"]
            well_formed = (
                query_hash == self._query_hash
                and isinstance(last, str)
                and len(values) == len(self.sort) - 1
                # A document as a value could be an operator of the store's query language.
                and all(isinstance(value, str | int | datetime) for value in values)
            )
        except (BSONError, ValueError, TypeError, KeyError, OverflowError):
            raise PageTokenInvalid from None
        if not well_formed:
            raise PageTokenInvalid
        return Cursor(tuple(values), last)

    def _token(self, cursor: Cursor) -> str:
        content = {"query": self._query_hash, "values": list(cursor.values), "id": cursor.id}
        return base64.urlsafe_b64encode(bson.encode(content)).decode()


def size_of(page_size: int) -> int:
    """The number of items in a page; `DEFAULT_SIZE` for 0.

    Raises:
        LimitExceeded: `page_size` is negative or more than `MAX_SIZE`.
    """
    if not 0 <= page_size <= MAX_SIZE:
        raise LimitExceeded("items in a page", MAX_SIZE)
    return page_size or DEFAULT_SIZE


def _value(document: Mapping[str, Any], field: str) -> Any:
    value: Any = document
    for name in field.split("."):
        value = value[name]
    return value
