"""Pages of a list: sizes, and the token that requests the next page (AIP-158)."""

from dataclasses import dataclass
from datetime import datetime
from typing import Generic, TypeVar

from chassis.errors import ChassisError

DEFAULT_SIZE = 50
"""Items in a page when the request gives no size."""
MAX_SIZE = 500
"""Maximum of items in a page."""

T = TypeVar("T")


class PageTokenInvalid(ChassisError):
    """The page token is malformed, or was issued for another query."""

    reason = "PAGE_TOKEN_INVALID"
    code = "INVALID_ARGUMENT"

    def __init__(self) -> None:
        super().__init__("The page token is not one for this query", field="page_token")


@dataclass(frozen=True)
class Page(Generic[T]):
    """One page of a list.

    Attributes:
        items: the items, in the order of the query.
        next_page_token: opaque; empty on the last page.
    """

    items: list[T]
    next_page_token: str = ""


@dataclass(frozen=True)
class Cursor:
    """A position in a sorted list: reading continues after it.

    Attributes:
        values: the item's sort values, in the order of the sort fields; times are UTC.
        id: the item's id, which orders items of equal values.
    """

    values: tuple[str | int | datetime, ...]
    id: str
