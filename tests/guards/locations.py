"""All locations where personal data could leak, filled by a journey and by failures."""

import json
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any

from demo.actors import Citizen
from demo.journey import SPECIAL_TERM, Journey
from demo.registry import publish as publish_extract
from diwan.identity.v1 import identity_pb2 as identity
from diwan.notary.v1 import notary_pb2 as notary
from diwan.operations.v1 import operations_pb2 as operations
from diwan.payments.v1 import payments_pb2 as payments
from embedded.layout import Layout
from platform_table.load import platform

from . import failure_cases
from .actors import TERM, Actors
from .broker import node_of
from .canaries import Canaries
from .probes import wait_for
from .wire import Wire

SANDBOX = {"smsc", "bank", "collector"}  # external systems, which receive personal data
FIELDS_WITHOUT_TEXT = {"id", "parent", "trace", "links", "start", "end"}
DECLINED_CARD = "tok_declined"
LAST_SPAN = "DiscardParked"

Texts = dict[str, str]
"""Place within a location -> its text."""


class Locations:
    """Fills the locations and reads their texts.

    Attributes:
        case: the power of attorney of the journey whose messages are captured.
        texts: by location, then by place within it.
    """

    def __init__(self, actors: Actors, wire: Wire, journey: Journey) -> None:
        self._actors = actors
        self._wire = wire
        self._journey = journey
        self.case: Any = None
        self._sessions = [journey.principal.session, journey.administrator.session]
        self.texts: dict[str, Texts] = {}

    def fill(self) -> None:
        """Run a journey, make failing calls, park messages, and read the texts of all locations."""
        actors = self._actors
        citizen = Citizen(person := actors.person(), actors.phone(person))
        before = len(actors.probes.tap.captured())
        self.case = self._run_journey(citizen)
        self._sessions.append(citizen.session)
        wait_for("the services to be idle", actors.probes.idle)
        messages = actors.probes.tap.captured()[before:]
        refused = failure_cases.refusals(actors, self._wire, citizen)
        errors = {place: refusal.text for place, refusal in refused.items()}
        errors |= failure_cases.over_http(actors, citizen.person)
        parked = self._parked(failure_cases.park_broken(actors, citizen.person), citizen)
        spans = actors.layout.data / "spans.ndjson"
        wait_for("the last spans", lambda: LAST_SPAN in spans.read_text())
        self.texts = {
            "logs": _logs(actors.layout),
            "spans": _spans(spans),
            "messages": {f"{m.exchange} {m.key} {n}": str(m) for n, m in enumerate(messages)},
            "names at the broker": self._names(),
            "errors": errors,
            "metrics": _metrics(actors.layout),
            "parked": parked,
        }

    def _run_journey(self, citizen: Citizen) -> Any:
        """Run a short journey: enrolment online, a declined and a settled payment, collection."""
        actors, call = self._actors, self._actors.platform.call
        actors.empty_review_queue()
        publish_extract(actors.environment, actors.people[:2])  # repeated events
        citizen.enrol(actors.platform)
        citizen.sign_in(actors.platform)
        auditor = actors.new_officer("auditor")
        reason = f"{citizen.person.full_name}, {citizen.person.national_id}, complained"
        end = identity.EndRolesRequest(officer_id=auditor.officer_id, roles=["auditor"], reason=reason)
        call("identity", "EndRoles", end, actors.administrator())
        case, _ = actors.create_due_case(citizen)
        call("payments", "CreatePayment", actors.payment_request(case, DECLINED_CARD), citizen.session)
        due = payments.PAYMENT_STATE_DUE
        wait_for(
            "the refused payment",
            lambda: (p := actors.get_payment(citizen, case)).refusal_reason and p.state == due,
        )
        call("payments", "CreatePayment", actors.payment_request(case), citizen.session)
        awaiting_review = notary.POWER_OF_ATTORNEY_STATE_AWAITING_REVIEW
        wait_for("the payment", lambda: actors.get_case(case, citizen.session).state == awaiting_review)
        approved = actors.approve_next_case()
        request = notary.CollectPowerOfAttorneyRequest(
            power_of_attorney_id=approved.power_of_attorney_id, card_seen=True
        )
        clerk = actors.session("clerk", approved.office_id)
        call("notary", "CollectPowerOfAttorney", request, clerk)
        citizen.phone.message_with(approved.number)
        return approved

    def _parked(self, parked_ids: list[str], citizen: Citizen) -> Texts:
        """List, show and discard parked messages as an operator, with personal data in the reason; return the texts."""
        actors = self._actors
        shown = {"list": self._diwan("parked", "list", "identity")}
        shown |= {parked_id: self._diwan("parked", "show", "identity", parked_id) for parked_id in parked_ids}
        for parked_id in parked_ids:
            reason = f"citizen {citizen.person.national_id} called from {citizen.person.mobile}"
            request = operations.DiscardParkedRequest(parked_id=parked_id, reason=reason)
            rpc = failure_cases.OPERATIONS + "DiscardParked"
            self._wire.call(rpc, request, actors.operator_token("identity"), program="identity")
        return shown

    def _diwan(self, *arguments: str) -> str:
        """Run the operator's command line; return its standard output and error."""
        program = str(Path(sys.executable).parent / "diwan")
        variables = {"DIWAN_CONFIG": str(self._actors.environment.operator_config)}
        completed = subprocess.run(
            [program, *arguments], env=variables, capture_output=True, text=True, timeout=60, check=True
        )
        return completed.stdout + completed.stderr

    def _names(self) -> Texts:
        node = node_of(self._actors.layout)
        expressions = (
            "rabbit_amqqueue:list_names()",
            f'rabbit_binding:list(<<"{node.vhost}">>)',
            "rabbit_networking:connection_info_all()",
        )
        return {"queues, bindings, connections": node.evaluate(f"{{{', '.join(expressions)}}}.")}

    def canaries(self) -> Canaries:
        """Return the data that must be in no location: the numbers of both populations, all data of persons used."""
        actors, journey = self._actors, self._journey
        canaries = Canaries()
        canaries.add_numbers([*journey.people, *actors.people])
        officers = (journey.administrator, journey.postal_clerk, journey.reviewer, journey.auditor)
        used = [a.person for a in (journey.principal, journey.agent, *officers)] + actors.used
        for person in used:
            canaries.add_person(person)
            canaries.codes |= set(actors.probes.codes(person))
        canaries.words |= {
            SPECIAL_TERM: "special term",
            TERM: "special term",
            "tok_ok": "card token",
            DECLINED_CARD: "card token",
            journey.case.verification_code: "verification code",
        }
        for session in self._sessions:
            # The ids of sessions are public: the secret of a refresh or device token is its last part.
            secrets = (token.rpartition(".")[2] for token in (session.refresh_token, session.device_token))
            canaries.words |= dict.fromkeys((*session.access_tokens.values(), *secrets), "token")
        return canaries


def _logs(layout: Layout) -> Texts:
    """Return the logs of services, connectors, stores and the broker."""
    files = [*layout.logs.glob("*.log"), *(layout.data / "broker" / "log").glob("*.log")]
    return {path.stem: path.read_text(errors="replace") for path in files if path.stem not in SANDBOX}


def _spans(path: Path) -> Texts:
    """Return the texts of spans by service: names, attributes, events, resources."""
    by_service: dict[str, list[str]] = {}
    for line in path.read_text().splitlines():
        span = json.loads(line)
        text = {key: value for key, value in span.items() if key not in FIELDS_WITHOUT_TEXT}
        by_service.setdefault(span["service"], []).append(json.dumps(text, ensure_ascii=False))
    return {service: "\n".join(lines) for service, lines in by_service.items()}


def _metrics(layout: Layout) -> Texts:
    ports = layout.ports()
    return {name: _read(ports[f"{name}-http"]) for name in platform().readers}


def _read(port: int) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as response:
        text: str = response.read().decode()
    return text
