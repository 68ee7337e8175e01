"""Pages of a list: how long one is, and the token with which the next one is asked for (AIP-158)."""

from dataclasses import dataclass
from datetime import datetime
from typing import Generic, TypeVar

from chassis.errors import ChassisError

DEFAULT_SIZE = 50
"""Items in a page where the caller gives no size."""
MAX_SIZE = 500
"""Items in a page at most."""

T = TypeVar("T")


class PageTokenInvalid(ChassisError):
    """The page token is none of ours, or was given for another query."""

    reason = "PAGE_TOKEN_INVALID"
    code = "INVALID_ARGUMENT"

    def __init__(self) -> None:
        super().__init__("The page token is not one for this query", field="page_token")


@dataclass(frozen=True)
class Page(Generic[T]):
    """One page.

    Attributes:
        items: in the order of the query.
        next_page_token: opaque; empty on the last page.
    """

    items: list[T]
    next_page_token: str = ""


@dataclass(frozen=True)
class Cursor:
    """A position in a sorted list: reading goes on after it.

    Attributes:
        values: the values an item is sorted by, in the order of the sort; times are UTC.
        id: the item's id, which orders items of equal values.
    """

    values: tuple[str | int | datetime, ...]
    id: str
