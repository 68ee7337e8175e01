"""The acquirer's HTTP API: charges, idempotent by the charge id, and inquiries."""

import re
from dataclasses import dataclass, field, replace
from enum import Enum, auto
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import quote, urlsplit

import eventlet
import requests
from chassis import telemetry
from chassis.money import piastres
from google.type.money_pb2 import Money
from nameko.extensions import DependencyProvider
from opentelemetry.trace import SpanKind
from requests.adapters import HTTPAdapter

from payments.connectors.acquirer.reading import NotJson, optional, read_json, reason
from payments.connectors.acquirer.settings import Settings

_CODE: Final = re.compile(r"[A-Z][A-Z0-9_]{0,62}")
# Texts of urllib3's and OpenSSL's errors, which `requests` wraps in classes that say less.
_NOT_SENT: Final = ("NewConnectionError", "CERTIFICATE_VERIFY_FAILED")
# The first three mean that our key or address is wrong: an operator can correct that, so the charge is not refused.
_TEMPORARY: Final = frozenset(
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
    """Meaning of the acquirer's response, or of its absence.

    Attributes:
        ACCEPTED: the charge was accepted, or, of an inquiry, found.
        REFUSED: refused for good.
        CONFLICT: the idempotency key belongs to another charge.
        LATER: not accepted now; a retry makes no second charge.
        NOT_SENT: the request certainly did not reach the acquirer.
        NO_ANSWER: the request may have reached the acquirer.
        UNKNOWN_CHARGE: the acquirer has no charge with the id of an inquiry.
    """

    ACCEPTED = auto()
    REFUSED = auto()
    CONFLICT = auto()
    LATER = auto()
    NOT_SENT = auto()
    NO_ANSWER = auto()
    UNKNOWN_CHARGE = auto()


@dataclass(frozen=True)
class ApiResult:
    """Result of a request to the acquirer.

    Attributes:
        verdict: its meaning.
        code: the acquirer's error code, or ours if it sent none.
        reference: the acquirer's own reference of the charge.
        body: the body of the answer.
        content_type: its content type.
    """

    verdict: Verdict
    code: str = ""
    reference: str = ""
    body: bytes = field(default=b"", repr=False)
    content_type: str = ""


class Api(DependencyProvider):  # type: ignore[misc]  # nameko has no types
    """Injects the acquirer's API into the connector."""

    def setup(self) -> None:
        settings: Settings = self.container.config["settings"]
        self._settings = settings
        self._session = requests.Session()
        adapter = HTTPAdapter(pool_connections=1, pool_maxsize=settings.workers, max_retries=0)
        self._session.mount("http://", adapter)
        self._session.mount("https://", adapter)
        self._charges = telemetry.current().counter(
            "diwan_acquirer_charges_total", "Charge requests to the acquirer, by result", ("verdict", "code")
        )
        self._inquiries = telemetry.current().counter(
            "diwan_acquirer_inquiries_total", "Inquiries about charges, by result", ("verdict", "code")
        )

    def get_dependency(self, _worker_ctx: object) -> "Api":
        return self

    def charge(self, charge_id: str, amount: Money, card_token: str, metadata: dict[str, str]) -> ApiResult:
        """Request a charge; errors of the network and of the acquirer are results, not exceptions.

        Args:
            charge_id: the idempotency key.
            amount: in whole piastres, which are the acquirer's minor units.
            card_token: the acquirer's own token of the card.
            metadata: returned in the signed callback.
        """
        body = {"amount": in_minor_units(amount), "card_token": card_token, "metadata": metadata}
        result = self._request("POST", "/charges", "", {"Idempotency-Key": charge_id}, body)
        self._charges.labels(result.verdict.name, result.code).inc()
        return result

    def inquire(self, charge_id: str) -> ApiResult:
        """Request the state of a charge; errors of the network and of the acquirer are results, not exceptions."""
        result = self._request("GET", "/charges/{id}", f"/charges/{quote(charge_id, safe='')}", {}, None)
        # Only by its error code: another 404 may mean that our address is wrong.
        if result.code == "CHARGE_NOT_FOUND":
            result = replace(result, verdict=Verdict.UNKNOWN_CHARGE)
        self._inquiries.labels(result.verdict.name, result.code).inc()
        return result

    def _request(
        self, method: str, template: str, path: str, headers: dict[str, str], body: dict[str, Any] | None
    ) -> ApiResult:
        """Send one request in a span; an empty `path` means the template."""
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
        ) as span:
            answer = self._send(method, path or template, headers, body)
            result = ApiResult(answer, answer.name) if isinstance(answer, Verdict) else result_of(answer)
            if not isinstance(answer, Verdict):
                span.set_attribute("http.response.status_code", answer.status_code)
            if result.verdict is not Verdict.ACCEPTED:
                telemetry.failed(span, result.code)
            return result

    def _send(
        self, method: str, path: str, headers: dict[str, str], body: dict[str, Any] | None
    ) -> requests.Response | Verdict:
        limit = self._settings.answer_seconds
        try:
            # The session limits the connect and each read, not all reads together.
            with eventlet.Timeout(2 * limit):
                return self._session.request(
                    method,
                    f"{self._settings.api_url}{path}",
                    json=body,
                    headers={
                        "Authorization": f"Bearer {self._settings.api_key.get_secret_value()}",
                        **headers,
                    },
                    timeout=limit,
                    allow_redirects=False,
                )
        except eventlet.Timeout:
            return Verdict.NO_ANSWER
        except requests.exceptions.RequestException as error:
            return failure_verdict(error)


def failure_verdict(error: requests.exceptions.RequestException) -> Verdict:
    """The verdict of a request without an answer: NOT_SENT only if no connection was made or the peer not trusted.

    Another TLS error may come while the answer is read.
    """
    causes = repr(error)
    if isinstance(error, requests.exceptions.ConnectTimeout) or any(each in causes for each in _NOT_SENT):
        return Verdict.NOT_SENT
    return Verdict.NO_ANSWER


def in_minor_units(amount: Money) -> dict[str, str | int]:
    """The amount in the acquirer's format; MoneyInvalid when it is no whole number of piastres."""
    return {"currency": amount.currency_code, "minor_units": piastres(amount, "amount")}


def result_of(response: requests.Response) -> ApiResult:
    """The result of a response, by its HTTP status and its error code."""
    status, content_type = response.status_code, response.headers.get("Content-Type", "")
    try:
        received = read_json(response.content, content_type)
    except NotJson:
        received = {}
    body = received if isinstance(received, dict) else {}
    if status in (HTTPStatus.OK, HTTPStatus.CREATED, HTTPStatus.ACCEPTED):
        reference = optional(body.get("reference"))
        return ApiResult(Verdict.ACCEPTED, "", reference, response.content, content_type)
    code = _code(body, status)
    if status == HTTPStatus.CONFLICT and code != "IN_PROGRESS":
        return ApiResult(Verdict.CONFLICT, code)
    if HTTPStatus.BAD_REQUEST <= status < HTTPStatus.INTERNAL_SERVER_ERROR and status not in _TEMPORARY:
        return ApiResult(Verdict.REFUSED, code)
    return ApiResult(Verdict.LATER, code)


def _code(body: dict[str, Any], status: int) -> str:
    """The acquirer's error code, or one of the status instead of a sentence, which could quote anything."""
    error = body.get("error")
    code = reason(error) if isinstance(error, str) and len(error.split()) == 1 else ""
    return code if _CODE.fullmatch(code) else f"HTTP_{status}"
