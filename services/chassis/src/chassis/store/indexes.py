"""Declarations of indexes, which are created when a collection is opened."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pymongo import IndexModel


@dataclass(frozen=True, kw_only=True)
class Index:
    """An index of a collection.

    Attributes:
        name: also the `index` of a `Duplicate`.
        keys: document fields (`state.mobile_hash`), each with 1 (ascending) or -1 (descending).
        unique: a second document with the same keys is refused.
        where: filter of a partial index; empty: all documents.
        expire_after_seconds: documents are removed this time after the single date in `keys`; None: never. An
            aggregate with unsent events is not removed before they are sent.
    """

    name: str
    keys: Sequence[tuple[str, int]]
    unique: bool = False
    where: Mapping[str, Any] = field(default_factory=dict)
    expire_after_seconds: int | None = None

    def model(self) -> IndexModel:
        options: dict[str, Any] = {"name": self.name, "unique": self.unique}
        if self.where:
            options["partialFilterExpression"] = dict(self.where)
        if self.expire_after_seconds is not None:
            options["expireAfterSeconds"] = self.expire_after_seconds
        return IndexModel(list(self.keys), **options)


def violated(indexes: Sequence[Index], key_pattern: Mapping[str, Any]) -> str:
    """The name of the violated index, by its keys; not by the server's text, which contains the key's value."""
    keys = list(key_pattern)
    for index in indexes:
        if index.unique and [key for key, _ in index.keys] == keys:
            return index.name
    return "_id" if keys == ["_id"] else "unknown"
