"""A store to try Diwan out with: SecantusDB, durable at every commit, behind one user's password.

The server takes users only while it is open, so the first start opens it on this pod's own address alone, makes the
user, and closes it again. Killed at any moment, the next start goes on where that one was; a changed password is made
known to the store in the same way. Not for real data.
"""

import argparse
import hashlib
import hmac
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pymongo
from pymongo.errors import PyMongoError

OPEN_SECONDS = 60.0
STOP_SECONDS = 20.0
MARK = "user-made"


def server(given: argparse.Namespace, host: str, port: int, *options: str) -> list[str]:
    """The server's command."""
    storage = ["--storage-path", str(given.storage_path / "store"), "--cache-size", given.cache_size]
    where = ["--host", host, "--port", str(port)]
    return [
        sys.executable,
        "-m",
        "secantus",
        "--sync-on-commit",
        "--log-level",
        "WARNING",
        *where,
        *storage,
        *options,
    ]


def mark_of(user: str, password: str, salt: str) -> str:
    """What is kept of a user that was made: enough to see that the password is another one, too little to guess it."""
    key = hashlib.scrypt(password.encode(), salt=f"{user}\0{salt}".encode(), n=2**14, r=8, p=1).hex()
    return f"{salt} {key}\n"


def is_made(storage: Path, user: str, password: str) -> bool:
    """Whether the store has this user with this password."""
    try:
        kept = (storage / MARK).read_text(encoding="ascii")
    except FileNotFoundError:
        return False
    return hmac.compare_digest(kept, mark_of(user, password, kept.partition(" ")[0]))


def make_user(given: argparse.Namespace, password: str) -> None:
    """Open the store to this pod alone, make the user or give it its new password, and close the store."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    running = subprocess.Popen(server(given, "127.0.0.1", port))
    signal.signal(
        signal.SIGTERM, lambda *_: sys.exit(143)
    )  # the first process of a pod has no default for it
    try:
        uri = f"mongodb://127.0.0.1:{port}/?retryWrites=false"
        with pymongo.MongoClient[dict[str, object]](uri, serverSelectionTimeoutMS=500) as client:
            await_server(client, running)
            known = {user["user"] for user in client.admin.command("usersInfo")["users"]}
            command = "updateUser" if given.user in known else "createUser"
            client.admin.command(command, given.user, pwd=password, roles=["root"])
    finally:
        running.terminate()
        try:
            running.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            running.kill()
    keep(given.storage_path / MARK, mark_of(given.user, password, secrets.token_hex(8)))


def await_server(client: pymongo.MongoClient[dict[str, object]], running: subprocess.Popen[bytes]) -> None:
    """Until the server answers; ends the program when it does not."""
    deadline = time.monotonic() + OPEN_SECONDS
    while True:
        try:
            client.admin.command("ping")
        except PyMongoError:
            if running.poll() is not None or time.monotonic() > deadline:
                sys.exit("trial store: the server did not open; its own lines above say why")
            time.sleep(0.1)
        else:
            return


def keep(path: Path, text: str) -> None:
    """Write a file so that it is there whole or not at all."""
    new = path.with_suffix(".new")
    with new.open("w", encoding="ascii") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)


def main() -> None:
    """Make the user where there is none, then become the server."""
    parser = argparse.ArgumentParser(prog="trial-store", description=__doc__)
    parser.add_argument("--host", default="0.0.0.0")  # noqa: S104  other pods are to reach it
    parser.add_argument("--port", type=int, default=27017)
    parser.add_argument("--storage-path", type=Path, default=Path("/data"))
    parser.add_argument("--cache-size", default="64M")
    parser.add_argument("--user", default="diwan")
    parser.add_argument("--password-file", type=Path, required=True)
    given = parser.parse_args()
    password = given.password_file.read_text(encoding="utf-8").strip()
    if not password:
        sys.exit(f"trial store: {given.password_file} is empty; put the store's password into it")
    (given.storage_path / "store").mkdir(exist_ok=True)
    if not is_made(given.storage_path, given.user, password):
        make_user(given, password)
    command = server(given, given.host, given.port, "--auth")
    os.execv(command[0], command)  # noqa: S606  our own table


if __name__ == "__main__":
    main()
