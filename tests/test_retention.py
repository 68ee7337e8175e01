"""Each collection has the bound that docs/retention.md states; the store deletes no document with unsent events."""

import importlib
import re
from pathlib import Path

import pytest
from chassis.store import Database
from platform_table.load import platform

ROOT = Path(__file__).resolve().parent.parent
ROW = re.compile(r"^\| (\w+) \| `(\w+)` \| (TTL|setting|subject) \| (.+) \|$", re.MULTILINE)
SETTING = re.compile(r"`(?:<SERVICE>|[A-Z]+)_([A-Z_]+_DAYS)` \((\d+)\)")
SERVICES = tuple(platform().services)

pytestmark = pytest.mark.real


def documented(service):
    """Return kind and bound of each collection of a service."""
    rows = ROW.findall((ROOT / "docs" / "retention.md").read_text())
    return {name: (kind, bound) for owner, name, kind, bound in rows if owner in ("each", service)}


@pytest.fixture
async def opened(request, store_uri, store_name):
    """The indexes of each collection of a service, and of its inbox, leases and schema."""
    service = request.param
    database = await Database.open(store_uri, store_name, encode_event=lambda *_: None, refusals=frozenset())
    await importlib.import_module(f"{service}.store").Store.open(database)
    names = {*await database._database.list_collection_names(), "leases", "schema"}
    indexes = {name: await database._database[name].index_information() for name in names}
    yield service, indexes
    await database.close()


@pytest.mark.parametrize("opened", SERVICES, indirect=True)
async def test_every_collection_has_a_documented_bound(opened):
    """A collection without a row may grow for ever; a row without a collection is out of date."""
    service, indexes = opened

    assert documented(service).keys() == indexes.keys()


@pytest.mark.parametrize("opened", SERVICES, indirect=True)
async def test_the_store_deletes_what_is_documented_and_nothing_unsent(opened):
    """The index of a collection with TTL leaves out documents with unsent events."""
    service, indexes = opened
    table = documented(service)

    for name, found in indexes.items():
        deleting = [index for index in found.values() if "expireAfterSeconds" in index]
        assert bool(deleting) == (table[name][0] == "TTL" or name == "inbox"), name
        if name != "inbox":
            assert all(index["partialFilterExpression"]["unsent"] == 0 for index in deleting), name


@pytest.mark.parametrize("service", SERVICES)
def test_settings_have_the_documented_defaults(service):
    """Every `_DAYS` setting is in the table, with its default."""
    fields = importlib.import_module(f"{service}.settings").Settings.model_fields
    days = {name.upper(): info.default for name, info in fields.items() if name.endswith("_days")}
    bounds = [SETTING.search(bound) for kind, bound in documented(service).values() if kind == "setting"]

    assert all(bounds)
    assert {bound[1]: int(bound[2]) for bound in bounds} == days
