"""The user of each store.

A store server accepts a new user only without authentication, so it runs once without it before its first real start.
"""

from concurrent.futures import ThreadPoolExecutor

import pymongo
from platform_table.load import platform

from embedded import programs
from embedded.layout import Layout
from embedded.process import Program, start

OPEN_SECONDS = 30


def make(layout: Layout) -> None:
    """Create the missing users of the stores."""
    new = [name for name in platform().services if not _done(layout, name)]
    if not new:
        return
    open_for_setup = {p.name: p for p in programs.stores(layout, open_for_setup=True)}
    with ThreadPoolExecutor() as pool:
        list(pool.map(lambda name: _make(layout, name, open_for_setup[f"{name}-store"]), new))


def _done(layout: Layout, name: str) -> bool:
    return (layout.data / f"{name}-store.user").exists()


def _make(layout: Layout, name: str, program: Program) -> None:
    layout.data.mkdir(parents=True, exist_ok=True)
    run = start(program, layout.logs / f"{program.name}.log", layout.folder)
    try:
        uri = f"mongodb://{programs.HOST}:{layout.ports()[program.port]}/?retryWrites=false"
        with pymongo.MongoClient[dict[str, object]](
            uri, serverSelectionTimeoutMS=OPEN_SECONDS * 1000
        ) as client:
            known = {user["user"] for user in client.admin.command("usersInfo")["users"]}
            if programs.STORE_USER not in known:
                password = layout.password(f"{name}-store")
                client.admin.command("createUser", programs.STORE_USER, pwd=password, roles=["root"])
    finally:
        run.stop()
    (layout.data / f"{name}-store.user").touch()
