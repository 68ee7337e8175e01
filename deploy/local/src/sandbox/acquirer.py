r"""A card acquirer for the sandbox: charges with idempotency keys, signed callbacks, a settlement file per day.

    python -m sandbox.acquirer --port 8780 --api-key KEY --callback-url http://127.0.0.1:8091/callbacks \\
        --callback-key-file keys/acquirer/callback.key

`POST /charges` (Authorization: Bearer KEY, Idempotency-Key) takes
`{"amount": {"currency": "EGP", "minor_units": 5000}, "card_token": "tok_ok", "metadata": {…}}` and answers 202;
`GET /charges/<idempotency key>` returns a charge, or 404 with `charge_not_found`; `GET /days/<YYYY-MM-DD>.csv`.
Cards: `tok_ok`, `tok_declined`, `tok_twice` (two callbacks), `tok_slow` (a late callback).
`POST /faults {"fail": n, "hang": n}` makes the next n charges fail with 503, or be accepted with a late answer.
Not a part of the product.
"""

import argparse
import hashlib
import hmac
import json
import secrets
import signal
import sys
import threading
import time
import urllib.error
import urllib.request
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sandbox.web import HttpRequest, Response, serve

CHARGES_MAX = 50_000
CALLBACK_TRIES = 60
CALLBACK_PAUSE_MAX_SECONDS = 5.0
HANG_SECONDS = 30
CARDS = frozenset({"tok_ok", "tok_declined", "tok_twice", "tok_slow"})
CSV_HEAD = "charge_id,reference,settled_at,currency,minor_units\n"


@dataclass
class Charge:
    """One charge, by the merchant's idempotency key."""

    id: str
    reference: str
    amount: dict[str, Any]
    card_token: str
    metadata: dict[str, str]
    fingerprint: str
    state: str = "pending"
    reason: str = ""
    decided_at: str = ""

    def as_response(self) -> dict[str, Any]:
        """Return the charge as the API shows it, without the card."""
        fields = {
            name: getattr(self, name) for name in ("id", "reference", "amount", "metadata", "state", "reason")
        }
        return {**fields, "decided_at": self.decided_at}


class Acquirer:
    """The charges and their callbacks. `delay` and `slow` are in seconds."""

    def __init__(
        self, api_key: str, callback_url: str, callback_key: bytes, delay: float, slow: float
    ) -> None:
        self._api_key = api_key
        self._callback_url = callback_url
        self._callback_key = callback_key
        self._delay = delay
        self._slow = slow
        self._lock = threading.Lock()
        self._charges: OrderedDict[str, Charge] = OrderedDict()
        self._faults = {"fail": 0, "hang": 0}
        self._callers = ThreadPoolExecutor(8, thread_name_prefix="callback")

    def create(self, call: HttpRequest) -> Response:
        """`POST /charges`."""
        if not self._allowed(call):
            return 401, {"error": "unauthorized"}
        key = call.headers.get("idempotency-key", "")
        body = call.json()
        if not 0 < len(key) <= 255 or body["amount"]["minor_units"] <= 0:
            return 422, {"error": "invalid_amount" if key else "idempotency_key_missing"}
        if self._fault("fail"):
            return 503, {"error": "unavailable"}
        if body["card_token"] not in CARDS:
            return 402, {"error": "invalid_card"}
        with self._lock:
            charge, is_new = self._charge(key, body, hashlib.sha256(call.body).hexdigest())
        if charge is None:
            return 409, {"error": "idempotency_key_reused"}
        if is_new:
            self._callers.submit(self._decide, charge)
        if self._fault("hang"):
            time.sleep(HANG_SECONDS)
        return 202, charge.as_response()

    def _charge(self, key: str, body: dict[str, Any], fingerprint: str) -> tuple[Charge | None, bool]:
        """Return the charge of a key, None when its content differs, and whether it is new."""
        kept = self._charges.get(key)
        content = (body["amount"], body["card_token"])
        if kept is not None:
            return (kept if (kept.amount, kept.card_token) == content else None), False
        metadata = {str(name): str(value) for name, value in body.get("metadata", {}).items()}
        charge = Charge(key, f"ACQ-{secrets.token_hex(6).upper()}", *content, metadata, fingerprint)
        self._charges[key] = charge
        while len(self._charges) > CHARGES_MAX:
            self._charges.popitem(last=False)
        return charge, True

    def show(self, call: HttpRequest) -> Response:
        """`GET /charges/<id>`."""
        if not self._allowed(call):
            return 401, {"error": "unauthorized"}
        with self._lock:
            charge = self._charges.get(call.groups[0])
            return (200, charge.as_response()) if charge else (404, {"error": "charge_not_found"})

    def day(self, call: HttpRequest) -> Response:
        """`GET /days/<date>.csv`: the charges settled on that day, UTC."""
        if not self._allowed(call):
            return 401, {"error": "unauthorized"}
        with self._lock:
            settled = [
                c
                for c in self._charges.values()
                if c.state == "settled" and c.decided_at[:10] == call.groups[0]
            ]
        lines = [
            f"{c.id},{c.reference},{c.decided_at},{c.amount['currency']},{c.amount['minor_units']}\n"
            for c in settled
        ]
        return 200, CSV_HEAD + "".join(lines)

    def faults(self, call: HttpRequest) -> Response:
        """`POST /faults`."""
        self._faults |= {name: int(value) for name, value in call.json().items() if name in self._faults}
        return 200, self._faults

    def _fault(self, name: str) -> bool:
        with self._lock:
            self._faults[name] -= 1
            due = self._faults[name] >= 0
            self._faults[name] = max(0, self._faults[name])
            return due

    def _allowed(self, call: HttpRequest) -> bool:
        return hmac.compare_digest(call.headers.get("authorization", ""), f"Bearer {self._api_key}")

    def _decide(self, charge: Charge) -> None:
        time.sleep(self._slow if charge.card_token == "tok_slow" else self._delay)  # noqa: S105 -- a test card
        with self._lock:
            declined = charge.card_token == "tok_declined"  # noqa: S105 -- a test card
            charge.reason = "declined" if declined else ""
            charge.decided_at = datetime.now(UTC).isoformat().replace("+00:00", "Z")
            charge.state = "refused" if declined else "settled"
        for _ in range(2 if charge.card_token == "tok_twice" else 1):  # noqa: S105 -- a test card
            self._call_back(charge)

    def _call_back(self, charge: Charge) -> None:
        """Call back until it is accepted, at most CALLBACK_TRIES times."""
        body = json.dumps({"type": f"charge.{charge.state}", "charge": charge.as_response()}).encode()
        pause = 0.2
        for _ in range(CALLBACK_TRIES):
            request = urllib.request.Request(self._callback_url, body, self._signed(body))  # noqa: S310 -- http only
            try:
                with urllib.request.urlopen(request, timeout=10):  # noqa: S310 -- http only
                    return
            except (urllib.error.URLError, OSError):
                time.sleep(pause)
                pause = min(pause * 2, CALLBACK_PAUSE_MAX_SECONDS)

    def _signed(self, body: bytes) -> dict[str, str]:
        timestamp = str(int(time.time()))
        signature = hmac.new(self._callback_key, timestamp.encode() + b"." + body, hashlib.sha256).hexdigest()
        return {
            "Content-Type": "application/json",
            "Acquirer-Timestamp": timestamp,
            "Acquirer-Signature": f"v1={signature}",
        }


def main() -> None:
    """Serve until SIGTERM."""
    parser = argparse.ArgumentParser(
        prog="python -m sandbox.acquirer",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--api-key", default="sandbox")
    parser.add_argument("--api-key-file", type=Path, help="instead of --api-key")
    parser.add_argument("--callback-url", required=True)
    parser.add_argument("--callback-key-file", type=Path, required=True, help="HMAC key in hexadecimal")
    parser.add_argument(
        "--delay", type=float, default=0.2, metavar="SECONDS", help="time until a charge is decided"
    )
    parser.add_argument("--slow", type=float, default=20, metavar="SECONDS", help="the same for tok_slow")
    options = parser.parse_args()
    signal.signal(
        signal.SIGTERM, lambda *_: sys.exit(0)
    )  # process 1 of a container has no default action for it
    acquirer = Acquirer(
        options.api_key_file.read_text().strip() if options.api_key_file else options.api_key,
        options.callback_url,
        bytes.fromhex(options.callback_key_file.read_text().strip()),
        options.delay,
        options.slow,
    )
    serve(
        options.host,
        options.port,
        [
            ("GET", r"/healthz", lambda _: (200, {})),
            ("POST", r"/charges", acquirer.create),
            ("GET", r"/charges/([^/]+)", acquirer.show),
            ("GET", r"/days/(\d{4}-\d{2}-\d{2})\.csv", acquirer.day),
            ("POST", r"/faults", acquirer.faults),
        ],
    )
    print(f"acquirer on {options.host}:{options.port}", flush=True)
    threading.Event().wait()


if __name__ == "__main__":
    main()
