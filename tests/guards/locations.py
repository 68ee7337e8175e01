"""All locations where personal data could come to light, filled by a journey and by all that can go wrong."""

import json
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any

from demo.actors import Citizen
from demo.journey import SPECIAL_TERM, Journey
from demo.registry import publish as publish_extract
from diwan.notary.v1 import notary_pb2 as notary
from diwan.operations.v1 import operations_pb2 as operations
from diwan.payments.v1 import payments_pb2 as payments
from embedded.layout import Layout
from platform_table.load import platform

from . import failure_cases
from .actors import TERM, Actors
from .broker import Tap, node_of
from .canaries import Canaries
from .probes import until
from .wire import Wire

SANDBOX = {"smsc", "bank", "collector"}  # they are the outside world, and see what the outside world sees
WITHOUT_TEXT = {"id", "parent", "trace", "links", "start", "end"}
DECLINED_CARD = "tok_declined"
SPANS_OF_THE_END = "DiscardParked"

Texts = dict[str, str]
"""Where exactly -> what stands there."""


class Locations:
    """Fills the locations, and reads them.

    Attributes:
        case: the second activity's power of attorney, under an open tap.
        texts: by place, then by where in it.
    """

    def __init__(self, actors: Actors, wire: Wire, journey: Journey) -> None:
        self._actors = actors
        self._wire = wire
        self._journey = journey
        self._tap = Tap(actors.layout)
        self.case: Any = None
        self.texts: dict[str, Texts] = {}

    def fill(self) -> None:
        """Act, ask wrongly, park, and read what came of it."""
        actors = self._actors
        citizen = Citizen(person := actors.person(), actors.phone(person))
        with self._tap.open():
            self.case = self._act(citizen)
            until("quiet", actors.probes.quiet)
        refused = failure_cases.refusals(actors, self._wire, citizen)
        errors = {where: refusal.told for where, refusal in refused.items()}
        errors |= failure_cases.over_http(actors, citizen.person)
        parked = self._parked(failure_cases.park_broken(actors, citizen.person), citizen)
        spans = actors.layout.data / "spans.ndjson"
        until("the last spans", lambda: SPANS_OF_THE_END in spans.read_text())
        self.texts = {
            "logs": _logs(actors.layout),
            "spans": _spans(spans),
            "stored events": self._stored_events(),
            "messages": {f"{m.exchange} {m.key} {n}": str(m) for n, m in enumerate(self._tap.heard)},
            "names at the broker": self._names(),
            "errors": errors,
            "metrics": _metrics(actors.layout),
            "parked": parked,
        }

    def _act(self, citizen: Citizen) -> Any:
        """A short journey: enrolled online, refused by the bank once, collected at last."""
        actors, call = self._actors, self._actors.platform.call
        actors.empty_the_queue()
        publish_extract(actors.world, actors.people[:2])  # again: identity knows them already
        citizen.enrol(actors.platform)
        citizen.sign_in(actors.platform)
        actors.new_officer("auditor")
        case, _ = actors.due(citizen)
        call("payments", "CreatePayment", actors.paying(case, DECLINED_CARD), citizen.session)
        due = payments.PAYMENT_STATE_DUE
        until("the refusal", lambda: (p := actors.payment(citizen, case)).refusal_reason and p.state == due)
        call("payments", "CreatePayment", actors.paying(case), citizen.session)
        waiting = notary.POWER_OF_ATTORNEY_STATE_AWAITING_REVIEW
        until("the payment", lambda: actors.shown(case, citizen.session).state == waiting)
        approved = actors.approved()
        request = notary.CollectPowerOfAttorneyRequest(
            power_of_attorney_id=approved.power_of_attorney_id, card_seen=True
        )
        clerk = actors.session("clerk", approved.office_id)
        call("notary", "CollectPowerOfAttorney", request, clerk)
        citizen.phone.message_with(approved.number)
        return approved

    def _parked(self, parked_ids: list[str], citizen: Citizen) -> Texts:
        """What an operator is shown of parked messages, who then gives them up, careless with the reason."""
        actors = self._actors
        shown = {"list": self._diwan("parked", "list", "identity")}
        shown |= {parked_id: self._diwan("parked", "show", "identity", parked_id) for parked_id in parked_ids}
        for parked_id in parked_ids:
            reason = f"citizen {citizen.person.national_id} called from {citizen.person.mobile}"
            request = operations.DiscardParkedRequest(parked_id=parked_id, reason=reason)
            rpc = failure_cases.OPERATIONS + "DiscardParked"
            self._wire.ask(rpc, request, actors.operator_token("identity"), program="identity")
        return shown

    def _diwan(self, *arguments: str) -> str:
        """The operator's command line, for people and for programs."""
        program = str(Path(sys.executable).parent / "diwan")
        environment = {"DIWAN_CONFIG": str(self._actors.world.operator_config)}
        done = subprocess.run(
            [program, *arguments], env=environment, capture_output=True, text=True, timeout=60, check=True
        )
        return done.stdout + done.stderr

    def _stored_events(self) -> Texts:
        """What services keep of what they published, and what waits to be published."""
        return {
            f"{name} {collection} {document['_id']}": json.dumps(
                document if collection == "history" else document.get("outbox", []),
                ensure_ascii=False,
                default=str,
            )
            for name, store in self._actors.probes.stores.items()
            for collection in store.list_collection_names()
            for document in store[collection].find()
            if collection != "inbox"  # it keeps what it could not read, as it came
        }

    def _names(self) -> Texts:
        node = node_of(self._actors.layout)
        asked = (
            "rabbit_amqqueue:list_names()",
            f'rabbit_binding:list(<<"{node.vhost}">>)',
            "rabbit_networking:connection_info_all()",
        )
        return {"queues, bindings, connections": node.evaluate(f"{{{', '.join(asked)}}}.")}

    def canaries(self) -> Canaries:
        """All that must not be in any place: of both populations the numbers, of all who acted the rest."""
        actors, journey = self._actors, self._journey
        made = Canaries()
        made.add_numbers([*journey.people, *actors.people])
        officers = (journey.administrator, journey.postal_clerk, journey.reviewer, journey.auditor)
        acted = [a.person for a in (journey.principal, journey.agent, *officers)] + actors.acted
        for person in acted:
            made.add_person(person)
            made.codes |= set(actors.probes.codes(person))
        made.words |= {
            SPECIAL_TERM: "special term",
            TERM: "special term",
            "tok_ok": "card token",
            DECLINED_CARD: "card token",
            journey.case.verification_code: "verification code",
        }
        for person in (journey.principal, journey.administrator):
            made.words |= dict.fromkeys(person.session.access_tokens.values(), "token")
        return made


def _logs(layout: Layout) -> Texts:
    """The logs of services, connectors, stores and the broker."""
    files = [*layout.logs.glob("*.log"), *(layout.data / "broker" / "log").glob("*.log")]
    return {path.stem: path.read_text(errors="replace") for path in files if path.stem not in SANDBOX}


def _spans(path: Path) -> Texts:
    """What spans say, by service: names, attributes, events, resources."""
    told: dict[str, list[str]] = {}
    for line in path.read_text().splitlines():
        span = json.loads(line)
        text = {key: value for key, value in span.items() if key not in WITHOUT_TEXT}
        told.setdefault(span["service"], []).append(json.dumps(text, ensure_ascii=False))
    return {service: "\n".join(lines) for service, lines in told.items()}


def _metrics(layout: Layout) -> Texts:
    ports = layout.ports()
    return {name: _read(ports[f"{name}-http"]) for name in platform().readers}


def _read(port: int) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        text: str = answer.read().decode()
    return text
