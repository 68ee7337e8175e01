"""Lists are read page by page: each item once, in order, with tokens that are valid for one query."""

import base64
from typing import Any

import bson
import pytest
from chassis.commands import execute
from chassis.pages import DEFAULT_SIZE, MAX_SIZE, PageTokenInvalid
from chassis.store import LimitExceeded, dataclass_codec

pytestmark = pytest.mark.real

BALANCE = [("state.balance", 1)]


async def fill(bench: Any, *balances: int) -> None:
    """Create accounts `a00`, `a01` … with these balances."""
    for number, balance in enumerate(balances):
        await execute(bench.accounts, f"a{number:02}", bench.put(balance), bench.request())


async def walk(bench: Any, where: dict[str, Any], **query: Any) -> list[list[Any]]:
    """Return the items of all pages, page by page."""
    pages, token = [], ""
    while not pages or token:
        page = await bench.accounts.page(where, page_token=token, **query)
        pages.append(page.items)
        token = page.next_page_token
    return pages


@pytest.mark.parametrize("direction", [1, -1])
@pytest.mark.parametrize(("size", "lengths"), [(1, [1] * 6), (4, [4, 2]), (6, [6]), (7, [6])])
async def test_each_item_is_listed_once_in_order(
    bench: Any, direction: int, size: int, lengths: list[int]
) -> None:
    """Some items are equal, and the last page is full or not."""
    await fill(bench, 3, 1, 2, 2, 2, 1)

    pages = await walk(bench, {}, sort=[("state.balance", direction)], page_size=size)

    assert [len(page) for page in pages] == lengths
    balances = [account.balance for page in pages for account in page]
    assert balances == sorted([3, 1, 2, 2, 2, 1], reverse=direction < 0)


async def test_a_list_is_sorted_by_several_fields(bench: Any) -> None:
    """Each field has its own direction."""
    for number, balance in enumerate([1, 2, 1, 2, 1]):
        await execute(bench.accounts, f"a{number}", bench.put(balance, mobile=f"m{number}"), bench.request())

    pages = await walk(bench, {}, sort=[("state.balance", -1), ("state.mobile", 1)], page_size=2)

    assert [account.mobile for page in pages for account in page] == ["m1", "m3", "m0", "m2", "m4"]


async def test_the_filter_applies_to_every_page(bench: Any) -> None:
    """Each page has one item, and other items lie between them."""
    await fill(bench, 5, 1, 6, 2, 7)

    pages = await walk(bench, {"state.balance": {"$gte": 5}}, sort=BALANCE, page_size=1)

    assert [[account.balance for account in page] for page in pages] == [[5], [6], [7]]


async def test_an_item_added_between_two_pages_moves_no_other(bench: Any) -> None:
    """A new item before the position is not listed, one after it is; none is listed twice."""
    await fill(bench, 10, 20, 30)
    first = await bench.accounts.page({}, sort=BALANCE, page_size=2)
    await execute(bench.accounts, "early", bench.put(5), bench.request())
    await execute(bench.accounts, "late", bench.put(25), bench.request())

    second = await bench.accounts.page({}, sort=BALANCE, page_size=2, page_token=first.next_page_token)

    assert [account.balance for account in second.items] == [25, 30]


async def test_the_page_size_has_a_default_and_a_limit(bench: Any) -> None:
    """A size beyond the limit is refused."""
    await fill(bench, *range(DEFAULT_SIZE + 1))

    page = await bench.accounts.page({}, sort=BALANCE)

    assert len(page.items) == DEFAULT_SIZE
    for size in (-1, MAX_SIZE + 1):
        with pytest.raises(LimitExceeded):
            await bench.accounts.page({}, sort=BALANCE, page_size=size)


async def test_a_token_is_valid_for_its_query_only(bench: Any) -> None:
    """Another filter, another order and another collection refuse it."""
    await fill(bench, 1, 2, 3)
    cards = await bench.database.aggregates("cards", dataclass_codec(bench.account))
    where = {"state.balance": {"$gte": 1}}
    token = (await bench.accounts.page(where, sort=BALANCE, page_size=1)).next_page_token

    same = await bench.accounts.page(where, sort=BALANCE, page_size=2, page_token=token)

    assert [account.balance for account in same.items] == [2, 3]
    for collection, other, sort in (
        (bench.accounts, {"state.balance": {"$gte": 2}}, BALANCE),
        (bench.accounts, {}, BALANCE),
        (bench.accounts, where, [("state.balance", -1)]),
        (bench.accounts, where, [*BALANCE, ("state.mobile", 1)]),
        (cards, where, BALANCE),
    ):
        with pytest.raises(PageTokenInvalid) as raised:
            await collection.page(other, sort=sort, page_token=token)
        assert raised.value.field == "page_token"


def encoded(content: Any) -> str:
    return base64.urlsafe_b64encode(bson.encode(content)).decode()


async def test_a_forged_token_is_refused(bench: Any) -> None:
    """Texts, incomplete tokens, and tokens with operators of the query language are tried."""
    await fill(bench, 1, 2, 3)
    token = (await bench.accounts.page({}, sort=BALANCE, page_size=1)).next_page_token
    good = bson.decode(base64.urlsafe_b64decode(token))
    forged = [
        "x",
        "not base64!",
        "رمز",
        token[:-4],
        base64.urlsafe_b64encode(b"[]").decode(),
        encoded({}),
        encoded(good | {"query": b"another!"}),
        encoded(good | {"values": []}),
        encoded(good | {"values": [1, 2]}),
        encoded(good | {"values": 1}),
        encoded(good | {"values": [{"$exists": True}]}),
        encoded(good | {"values": [None]}),
        encoded(good | {"id": {"$gt": ""}}),
    ]

    for text in forged:
        with pytest.raises(PageTokenInvalid):
            await bench.accounts.page({}, sort=BALANCE, page_token=text)


async def test_a_scan_reads_documents_without_the_codec(bench: Any) -> None:
    """Fields are returned as stored, and each part starts after the previous one."""
    await fill(bench, 3, 1, 2)
    await bench.accounts.collection.update_one({"_id": "a02"}, {"$set": {"state.notes": "no list"}})

    first = await bench.accounts.scan(["state.notes"], sort=BALANCE, after=None, limit=2)
    rest = await bench.accounts.scan(["state.notes"], sort=BALANCE, after=first[-1][0], limit=2)

    assert [cursor.id for cursor, _ in (*first, *rest)] == ["a01", "a02", "a00"]
    assert first[1][1]["state"] == {"balance": 2, "notes": "no list"}
    with pytest.raises(LimitExceeded):
        await bench.accounts.scan([], sort=BALANCE, after=None, limit=100_000)
