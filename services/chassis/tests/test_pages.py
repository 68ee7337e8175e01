import base64
from datetime import UTC, datetime

import pytest
from chassis.pages import Cursor, PageTokenInvalid, cursor, page, token

CURSOR = Cursor(datetime(2026, 3, 1, 9, 30, 0, 123000, tzinfo=UTC), "m-1")


def test_a_token_leads_back_to_its_place() -> None:
    """What was put in comes out, to the millisecond that the store keeps."""
    assert cursor(token(CURSOR, ["a-1", ""]), ["a-1", ""]) == CURSOR


@pytest.mark.parametrize(("there", "shown", "more"), [(0, 0, False), (2, 2, False), (3, 2, True)])
def test_a_page_tells_where_the_next_begins(there: int, shown: int, more: bool) -> None:
    """After the last that is shown; nowhere when what was found fits."""
    found = [Cursor(CURSOR.time, f"m-{number}") for number in range(there)]

    on_page, following = page(found, 2, ["a-1"], lambda each: each)

    assert on_page == found[:shown]
    assert cursor(following, ["a-1"]) == (found[1] if more else None)


def test_no_token_is_the_first_page() -> None:
    """An empty field of the request means the beginning."""
    assert cursor("", ["a-1"]) is None


@pytest.mark.parametrize(
    "wrong",
    [
        "x",
        "not base64!",
        base64.urlsafe_b64encode(b"[]").decode(),
        base64.urlsafe_b64encode(b"{}").decode(),
        base64.urlsafe_b64encode(b'["2026", 1, ""]').decode(),
        token(CURSOR, ["a-2"]),
        token(CURSOR, ["a-1", "DW-1"]),
    ],
)
def test_anything_else_is_refused(wrong: str) -> None:
    """Neither what we never made nor what we made for another question is followed."""
    with pytest.raises(PageTokenInvalid) as raised:
        cursor(wrong, ["a-1"])

    assert raised.value.field == "page_token"
