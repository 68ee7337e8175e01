"""The store of a trial: SecantusDB, durable at every commit, with one user and password. Not for real data.

The server accepts a new user only without authentication. The first start therefore runs it without authentication on
the loopback address, creates the user, and stops it again. If that is interrupted, the next start repeats it. A changed
password is set in the same way.
"""

import argparse
import fcntl
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

START_SECONDS = 60.0
STOP_SECONDS = 20.0
USER_RECORD_FILE = "user-made"


def server(options: argparse.Namespace, host: str, port: int, *arguments: str) -> list[str]:
    """Return the command of the server."""
    storage = ["--storage-path", str(options.storage_path / "store"), "--cache-size", options.cache_size]
    address = ["--host", host, "--port", str(port)]
    return [
        sys.executable,
        "-m",
        "secantus",
        "--sync-on-commit",
        "--log-level",
        "WARNING",
        *address,
        *storage,
        *arguments,
    ]


def user_record(user: str, password: str, salt: str) -> str:
    """Return the record of a created user: a salted scrypt hash, which shows whether the password has changed."""
    key = hashlib.scrypt(password.encode(), salt=f"{user}\0{salt}".encode(), n=2**14, r=8, p=1).hex()
    return f"{salt} {key}\n"


def has_user(storage: Path, user: str, password: str) -> bool:
    """Whether the store has this user with this password."""
    try:
        kept = (storage / USER_RECORD_FILE).read_text(encoding="ascii")
    except FileNotFoundError:
        return False
    return hmac.compare_digest(kept, user_record(user, password, kept.partition(" ")[0]))


def create_user(options: argparse.Namespace, password: str) -> None:
    """Run the store on the loopback address without authentication, and create the user or set its new password."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    running = subprocess.Popen(server(options, "127.0.0.1", port))
    # Process 1 of a container has no default action for the signal.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        uri = f"mongodb://127.0.0.1:{port}/?retryWrites=false"
        with pymongo.MongoClient[dict[str, object]](uri, serverSelectionTimeoutMS=500) as client:
            await_server(client, running)
            known = {user["user"] for user in client.admin.command("usersInfo")["users"]}
            command = "updateUser" if options.user in known else "createUser"
            client.admin.command(command, options.user, pwd=password, roles=["root"])
    finally:
        running.terminate()
        try:
            running.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            running.kill()
            running.wait()
    write_whole(
        options.storage_path / USER_RECORD_FILE, user_record(options.user, password, secrets.token_hex(8))
    )


def await_server(client: pymongo.MongoClient[dict[str, object]], running: subprocess.Popen[bytes]) -> None:
    """Wait until the server answers; exit when it does not."""
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            client.admin.command("ping")
        except PyMongoError:
            if running.poll() is not None or time.monotonic() > deadline:
                sys.exit("trial store: the server did not start; see its log above")
            time.sleep(0.1)
        else:
            return


def await_unlocked(storage: Path) -> None:
    """Wait until no other process has the storage engine's lock: a former one may still end ("resource busy")."""
    deadline, pause = time.monotonic() + STOP_SECONDS, 0.05
    for lock in storage.rglob("WiredTiger.lock"):
        while True:
            try:
                with lock.open("r+b") as file:
                    # The engine's own kind of lock: of the process, on the whole file, and released with it.
                    fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except OSError:
                if time.monotonic() > deadline:
                    sys.exit(f"trial store: another process uses {lock.parent}; stop it first")
                time.sleep(pause)
                pause = min(2 * pause, 1.0)


def write_whole(path: Path, text: str) -> None:
    """Write a file atomically."""
    new = path.with_suffix(".new")
    with new.open("w", encoding="ascii") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)


def main() -> None:
    """Create the user if necessary, then replace this process by the server."""
    parser = argparse.ArgumentParser(prog="trial-store", description=__doc__)
    parser.add_argument("--host", default="0.0.0.0")  # noqa: S104  other pods connect to it
    parser.add_argument("--port", type=int, default=27017)
    parser.add_argument("--storage-path", type=Path, default=Path("/data"))
    parser.add_argument("--cache-size", default="64M")
    parser.add_argument("--user", default="diwan")
    parser.add_argument("--password-file", type=Path, required=True)
    options = parser.parse_args()
    password = options.password_file.read_text(encoding="utf-8").strip()
    if not password:
        sys.exit(f"trial store: {options.password_file} is empty; put the store's password into it")
    (options.storage_path / "store").mkdir(exist_ok=True)
    if not has_user(options.storage_path, options.user, password):
        create_user(options, password)
    await_unlocked(options.storage_path / "store")
    command = server(options, options.host, options.port, "--auth")
    os.execv(command[0], command)  # noqa: S606  our own table


if __name__ == "__main__":
    main()
