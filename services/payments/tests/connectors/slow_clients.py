"""Clients that hold connections of an HTTP server open: each kind sends too slowly, or reads nothing."""

import contextlib
import selectors
import socket
import threading
from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

Step = Callable[[int], bytes]

HEAD = b"POST /callbacks HTTP/1.1\r\nHost: connector\r\n"

KINDS: dict[str, tuple[bytes, bytes]] = {
    "silent": (b"", b""),
    "slow line": (b"P", b"O"),
    "slow head": (HEAD, b"X-A: b\r\n"),
    "slow body": (HEAD + b"Content-Length: 60000\r\n\r\n", b"x"),
    "slow chunks": (HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n"),
    "endless chunk head": (HEAD + b"Transfer-Encoding: chunked\r\n\r\n1", b"0" * 50),
    "deaf": (b"GET /metrics HTTP/1.1\r\nHost: connector\r\n\r\n", b""),
}
"""First bytes, and the bytes that follow each second, by kind."""


@contextlib.contextmanager
def slow_clients(url: str, kind: str, count: int, source: str = "127.0.0.1") -> Iterator[None]:
    """Keep `count` connections open from the address `source`; one that the server closes is opened again."""
    address = (urlsplit(url).hostname, urlsplit(url).port)
    first, following = KINDS[kind]
    stop, all_open = threading.Event(), threading.Event()

    def opened() -> socket.socket:
        client = socket.socket()
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1024)
        client.bind((source, 0))
        client.settimeout(5)
        client.connect(address)
        client.sendall(first)
        return client

    def attack() -> None:
        with contextlib.ExitStack() as stack:
            selector = stack.enter_context(selectors.DefaultSelector())
            clients: list[socket.socket | None] = [None] * count
            while not stop.is_set():
                for number, client in enumerate(clients):
                    try:
                        if client is None:
                            clients[number] = stack.enter_context(opened())
                        else:
                            client.sendall(following)
                    except OSError:
                        if client is not None:
                            client.close()
                        clients[number] = None
                all_open.set()
                selector.select(0)
                stop.wait(1)

    thread = threading.Thread(target=attack, daemon=True)
    thread.start()
    assert all_open.wait(60)
    try:
        yield
    finally:
        stop.set()
        thread.join(30)
