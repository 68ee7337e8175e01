"""The sandbox's acquirer over its HTTP API, called back by itself."""

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
class Scene:
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
        told = {"Authorization": f"Bearer {api_key}", "Idempotency-Key": key}
        status, text = http("POST", f"{self.url}/charges", json.dumps(body).encode(), told)
        return status, json.loads(text)


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
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
        yield Scene(f"http://127.0.0.1:{port}", calls)
    server.shutdown()


def test_callback_is_signed_and_repeated_until_taken(scene: Scene) -> None:
    """The first call is answered with 503 here: the second says the same, signed with the shared key."""
    assert scene.charge("c1")[0] == 202

    (_, first), (told, second) = scene.calls.get(timeout=30), scene.calls.get(timeout=30)

    assert first == second
    assert json.loads(second)["charge"]["metadata"] == {"payment_id": "p"}
    signed = told["acquirer-timestamp"].encode() + b"." + second
    assert (
        told["acquirer-signature"] == "v1=" + hmac.new(bytes.fromhex(KEY), signed, hashlib.sha256).hexdigest()
    )


def test_one_key_is_one_charge(scene: Scene) -> None:
    """The same request gets the same charge; another content under its key is a conflict."""
    first, again = scene.charge("c2"), scene.charge("c2")
    assert first[1]["reference"] == again[1]["reference"]

    assert scene.charge("c2", minor_units=1)[0] == 409


@pytest.mark.parametrize(
    ("changed", "status"),
    [({"api_key": "other"}, 401), ({"card": "tok_nonsense"}, 402), ({"minor_units": 0}, 422)],
)
def test_bad_requests_are_refused(scene: Scene, changed: dict[str, Any], status: int) -> None:
    """Each with the status that a real one would give."""
    assert scene.charge("c3", **changed)[0] == status


def test_charges_and_days_need_the_key(scene: Scene) -> None:
    """Nothing is shown to who has no key."""
    assert http("GET", f"{scene.url}/charges/c1")[0] == 401
    assert http("GET", f"{scene.url}/days/2026-01-01.csv")[0] == 401
