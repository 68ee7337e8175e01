"""The acquirer's HTTP API: one charge, asked for as often as needed, made once by its idempotency key."""

import re
from dataclasses import dataclass, field, replace
from enum import Enum, auto
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import quote, urlsplit

import requests
from chassis import telemetry
from chassis.money import piastres
from google.type.money_pb2 import Money
from nameko.extensions import DependencyProvider
from opentelemetry.trace import SpanKind
from requests.adapters import HTTPAdapter

from payments.connectors.acquirer.settings import Settings

_CODE: Final = re.compile(r"[A-Z][A-Z0-9_]{0,62}")
# The first three say that our key or address is wrong, which an operator can mend: no answer to give to a citizen.
_LATER: Final = frozenset(
    {
        HTTPStatus.UNAUTHORIZED,
        HTTPStatus.FORBIDDEN,
        HTTPStatus.NOT_FOUND,
        HTTPStatus.REQUEST_TIMEOUT,
        HTTPStatus.CONFLICT,
        HTTPStatus.TOO_EARLY,
        HTTPStatus.TOO_MANY_REQUESTS,
    }
)


class Verdict(Enum):
    """What the acquirer made of a request."""

    ACCEPTED = auto()
    REFUSED = auto()
    CONFLICT = auto()
    LATER = auto()
    NOT_SENT = auto()
    NO_ANSWER = auto()
    UNKNOWN_CHARGE = auto()


@dataclass(frozen=True)
class Said:
    """The acquirer's answer. `code` is its reason or our name for the lack of one; `reference` its own.

    `charge` is what it shows of a charge that was inquired of, as it came.
    """

    verdict: Verdict
    code: str = ""
    reference: str = ""
    charge: dict[str, Any] = field(default_factory=dict)


class Api(DependencyProvider):  # type: ignore[misc]  # nameko has no types
    """Gives a connector's method the acquirer's API."""

    def setup(self) -> None:
        settings: Settings = self.container.config["settings"]
        self._settings = settings
        self._session = requests.Session()
        adapter = HTTPAdapter(pool_connections=1, pool_maxsize=settings.workers, max_retries=0)
        self._session.mount("http://", adapter)
        self._session.mount("https://", adapter)
        self._calls = telemetry.current().counter(
            "diwan_acquirer_charges_total", "Requests to the acquirer, by what it said", ("verdict", "code")
        )
        self._inquiries = telemetry.current().counter(
            "diwan_acquirer_inquiries_total", "Inquiries after charges, by what it said", ("verdict", "code")
        )

    def get_dependency(self, _worker_ctx: object) -> "Api":
        return self

    def charge(self, charge_id: str, amount: Money, card_token: str, metadata: dict[str, str]) -> Said:
        """Ask for a charge; never raises for what the network or the acquirer does.

        Args:
            charge_id: the idempotency key.
            amount: in whole piastres, which are the acquirer's minor units.
            card_token: the acquirer's own token.
            metadata: comes back with the callback, under its signature.
        """
        body = {"amount": in_minor_units(amount), "card_token": card_token, "metadata": metadata}
        said = self._ask("POST", "/charges", "", {"Idempotency-Key": charge_id}, body)
        self._calls.labels(said.verdict.name, said.code).inc()
        return said

    def inquire(self, charge_id: str) -> Said:
        """Ask what became of a charge; never raises for what the network or the acquirer does."""
        said = self._ask("GET", "/charges/{id}", f"/charges/{quote(charge_id, safe='')}", {}, None)
        # Only its own word for it: any other 404 may say that our address is wrong.
        if said.code == "CHARGE_NOT_FOUND":
            said = replace(said, verdict=Verdict.UNKNOWN_CHARGE)
        self._inquiries.labels(said.verdict.name, said.code).inc()
        return said

    def _ask(
        self, method: str, template: str, path: str, headers: dict[str, str], body: dict[str, Any] | None
    ) -> Said:
        """One request; `path` is the template itself when it is empty."""
        url = urlsplit(self._settings.api_url)
        with telemetry.span(
            f"{method} {template}",
            kind=SpanKind.CLIENT,
            attributes={
                "http.request.method": method,
                "server.address": url.hostname or "",
                "server.port": url.port or (443 if url.scheme == "https" else 80),
                "url.template": template,
                "peer.service": "acquirer-api",
            },
        ) as made:
            status, answer = self._send(method, path or template, headers, body)
            said = _said(status, answer)
            if isinstance(status, int):
                made.set_attribute("http.response.status_code", status)
            if said.verdict is not Verdict.ACCEPTED:
                telemetry.failed(made, said.code)
            return said

    def _send(
        self, method: str, path: str, headers: dict[str, str], body: dict[str, Any] | None
    ) -> tuple[int | Verdict, dict[str, Any]]:
        try:
            answer = self._session.request(
                method,
                f"{self._settings.api_url}{path}",
                json=body,
                headers={
                    "Authorization": f"Bearer {self._settings.api_key.get_secret_value()}",
                    **headers,
                },
                timeout=self._settings.answer_seconds,
                allow_redirects=False,
            )
        except (requests.exceptions.ConnectTimeout, requests.exceptions.SSLError):
            return Verdict.NOT_SENT, {}
        except requests.exceptions.RequestException as error:
            refused = "NewConnectionError" in repr(error)
            return (Verdict.NOT_SENT if refused else Verdict.NO_ANSWER), {}
        try:
            told = answer.json()
        except ValueError:
            told = {}
        return answer.status_code, told if isinstance(told, dict) else {}


def in_minor_units(amount: Money) -> dict[str, str | int]:
    """The amount as the acquirer counts it; MoneyInvalid when it is no whole number of piastres."""
    return {"currency": amount.currency_code, "minor_units": piastres(amount, "amount")}


def _said(status: int | Verdict, answer: dict[str, Any]) -> Said:
    """Decide what an answer means. What may be asked again without a second charge is LATER."""
    if isinstance(status, Verdict):
        return Said(status, status.name)
    if status in (HTTPStatus.OK, HTTPStatus.CREATED, HTTPStatus.ACCEPTED):
        return Said(Verdict.ACCEPTED, "", str(answer.get("reference", ""))[:64], answer)
    code = _code(answer, status)
    if status == HTTPStatus.CONFLICT and code != "IN_PROGRESS":
        return Said(Verdict.CONFLICT, code)
    if HTTPStatus.BAD_REQUEST <= status < HTTPStatus.INTERNAL_SERVER_ERROR and status not in _LATER:
        return Said(Verdict.REFUSED, code)
    return Said(Verdict.LATER, code)


def _code(answer: dict[str, Any], status: int) -> str:
    code = str(answer.get("error", "")).upper()
    return code if _CODE.fullmatch(code) else f"HTTP_{status}"
