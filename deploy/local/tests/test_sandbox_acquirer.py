"""The sandbox's acquirer: its HTTP API and its callbacks."""

import hashlib
import hmac
import json
import queue
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest
from testkit.connectors import Program, http, running
from testkit.ports import free_port

KEY = "ab" * 32


@dataclass
class Sandbox:
    url: str
    calls: "queue.Queue[tuple[dict[str, str], bytes]]"

    def charge(
        self, key: str, card: str = "tok_ok", api_key: str = "k", minor_units: int = 5050
    ) -> tuple[int, Any]:
        body = {
            "amount": {"currency": "EGP", "minor_units": minor_units},
            "card_token": card,
            "metadata": {"payment_id": "p"},
        }
        headers = {"Authorization": f"Bearer {api_key}", "Idempotency-Key": key}
        status, text = http("POST", f"{self.url}/charges", json.dumps(body).encode(), headers)
        return status, json.loads(text)


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    folder = tmp_path_factory.mktemp("acquirer")
    (folder / "callback.key").write_text(KEY)
    calls: queue.Queue[tuple[dict[str, str], bytes]] = queue.Queue()
    answers = iter([503])

    class Callback(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            calls.put(({name.lower(): value for name, value in self.headers.items()}, body))
            self.send_response(next(answers, 204))
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            pass

    server = HTTPServer(("127.0.0.1", 0), Callback)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    port = free_port()
    arguments = ["-m", "sandbox.acquirer", "--port", str(port), "--api-key", "k", "--delay", "0"]
    arguments += ["--callback-url", f"http://127.0.0.1:{server.server_port}/callbacks"]
    arguments += ["--callback-key-file", str(folder / "callback.key")]
    with running(Program(arguments, {}, f"http://127.0.0.1:{port}/healthz", folder / "log")):
        yield Sandbox(f"http://127.0.0.1:{port}", calls)
    server.shutdown()


def test_callback_is_signed_and_repeated_until_accepted(sandbox: Sandbox) -> None:
    """The first call is answered with 503; the second has the same body, signed with the shared key."""
    assert sandbox.charge("c1")[0] == 202

    (_, first), (headers, second) = sandbox.calls.get(timeout=30), sandbox.calls.get(timeout=30)

    assert first == second
    assert json.loads(second)["charge"]["metadata"] == {"payment_id": "p"}
    signed = headers["acquirer-timestamp"].encode() + b"." + second
    assert (
        headers["acquirer-signature"]
        == "v1=" + hmac.new(bytes.fromhex(KEY), signed, hashlib.sha256).hexdigest()
    )


def test_one_key_is_one_charge(sandbox: Sandbox) -> None:
    """The same request returns the same charge; other content with its key is a conflict."""
    first, again = sandbox.charge("c2"), sandbox.charge("c2")
    assert first[1]["reference"] == again[1]["reference"]

    assert sandbox.charge("c2", minor_units=1)[0] == 409


@pytest.mark.parametrize(
    ("changed", "status"),
    [({"api_key": "other"}, 401), ({"card": "tok_nonsense"}, 402), ({"minor_units": 0}, 422)],
)
def test_bad_requests_are_refused(sandbox: Sandbox, changed: dict[str, Any], status: int) -> None:
    """Each status is that of a real acquirer."""
    assert sandbox.charge("c3", **changed)[0] == status


def test_charges_and_days_need_the_key(sandbox: Sandbox) -> None:
    """A call without the API key is unauthorized."""
    assert http("GET", f"{sandbox.url}/charges/c1")[0] == 401
    assert http("GET", f"{sandbox.url}/days/2026-01-01.csv")[0] == 401
