"""An acquirer that sends its answer byte by byte."""

import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from threading import Event, Thread

import pytest

LIMIT_SECONDS = 0.5
# In a process of its own: the connector's sockets are eventlet's.
REQUEST = """
import sys
from chassis import greenlets
greenlets.patch()
import requests
from pydantic import SecretStr
from types import SimpleNamespace
from payments.connectors.acquirer.api import Api
api = Api.__new__(Api)
api._settings = SimpleNamespace(api_url=sys.argv[1], api_key=SecretStr("key"), answer_seconds=float(sys.argv[2]))
api._session = requests.Session()
print(api._send("GET", "/charges/1", {}, None).name)
"""


@pytest.fixture
def slow_acquirer() -> Iterator[str]:
    """The address of an acquirer whose answer never ends, though none of its bytes is late."""
    stopped = Event()
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            client, _ = server.accept()
            with client, suppress(OSError):
                client.sendall(b"HTTP/1.1 201 Created\r\nContent-Length: 60000\r\n\r\n")
                while not stopped.wait(LIMIT_SECONDS / 10):
                    client.sendall(b" ")

        thread = Thread(target=answer, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}"
        stopped.set()
        thread.join(10)


@pytest.mark.process
def test_an_answer_has_a_limit_in_all(slow_acquirer: str) -> None:
    """A worker is not held for ever, and the charge may have been made."""
    command = [sys.executable, "-c", REQUEST, slow_acquirer, str(LIMIT_SECONDS)]
    result = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)

    assert result.stdout.strip() == "NO_ANSWER", result.stderr
