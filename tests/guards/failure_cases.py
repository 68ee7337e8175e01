"""Failing calls and events, with personal data in every field that takes text; their errors must hold none of it."""

import json
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from demo.actors import Citizen
from demo.registry import ROUTING_KEY, TYPE, USER, sealed_record
from diwan.identity.v1 import identity_pb2 as identity
from diwan.notary.v1 import notary_pb2 as notary
from diwan.notification.v1 import notification_pb2 as notification
from diwan.operations.v1 import operations_pb2 as operations
from diwan.payments.v1 import payments_pb2 as payments
from diwan.registry.v1 import events_pb2 as registry
from google.protobuf import json_format
from google.protobuf.message import Message
from joserfc.jwk import ECKey
from population import Person

from .actors import Actors
from .broker import publish
from .probes import wait_for
from .scenario import other_code
from .wire import Refusal, Wire

IDENTITY = "diwan.identity.v1.IdentityService."
PAYMENTS = "diwan.payments.v1.PaymentService."
NOTARY = "diwan.notary.v1.PowerOfAttorneyService."
NOTIFICATION = "diwan.notification.v1.NotificationService."
OPERATIONS = "diwan.operations.v1.OperationsService."
TIMEOUT_SECONDS = 30


def new_id() -> str:
    return str(uuid.uuid4())


def refusals(actors: Actors, wire: Wire, citizen: Citizen) -> dict[str, Refusal]:
    """Return a refusal of each kind by the services, keyed by reason and RPC.

    `citizen` is enrolled and signed in; some calls concern a person who is not enrolled.
    """
    refused: dict[str, Refusal] = {}
    calls = [*_of_identity(actors, citizen), *_of_notary(actors, citizen), *_of_others(actors, citizen)]
    for rpc, request, token in calls:
        number = citizen.person.national_id
        answer = wire.call(
            rpc,
            request,
            token,
            program="identity" if rpc.startswith(OPERATIONS) else "",
            metadata=(("diwan-request-number", number), ("user-agent-detail", citizen.person.mobile)),
        )
        if isinstance(answer, Refusal):
            refused[f"{answer.reason} of {rpc}, {len(refused)}"] = answer
    return refused


Call = tuple[str, Message | bytes, str]
"""Full name of the RPC, request, access token."""


def _of_identity(actors: Actors, citizen: Citizen) -> Iterator[Call]:
    other, own = actors.person(), citizen.person
    clerk = actors.session("clerk", "post-0777").token("identity")
    admin, token = actors.administrator().token("identity"), citizen.session.token("identity")
    start = identity.StartEnrolmentRequest(
        request_id=new_id(),
        first_name=other.first_name,
        mother_first_name=other.mother_first_name,
        national_id=other.national_id,
        mobile=other.mobile,
        channel="portal",
    )
    enrolment_id = actors.platform.call("identity", "StartEnrolment", start).enrolment_id
    code, _ = actors.phone(other).next_code()
    yield IDENTITY + "StartEnrolment", changed(start, request_id=new_id()), ""
    yield IDENTITY + "StartEnrolment", changed(start, mobile=other.mobile[:-1]), ""
    yield IDENTITY + "StartEnrolment", changed(start, national_id=f"{own.national_id}0"), ""
    yield IDENTITY + "StartEnrolment", changed(start, first_name=own.full_name * 10), ""
    yield IDENTITY + "StartEnrolment", changed(start, channel=own.mobile, request_id=own.national_id), ""
    yield IDENTITY + "StartEnrolment", b"\xff\xff" + own.national_id.encode(), ""
    wrong = identity.CompleteEnrolmentRequest(request_id=new_id(), enrolment_id=new_id(), code=code)
    yield IDENTITY + "CompleteEnrolment", wrong, ""
    yield IDENTITY + "CompleteEnrolment", changed(wrong, code=own.mobile), ""
    for _ in range(6):
        attempt = changed(wrong, request_id=new_id(), enrolment_id=enrolment_id, code=other_code(code))
        yield IDENTITY + "CompleteEnrolment", attempt, ""
    yield IDENTITY + "EnrolAtCounter", actors.counter_request(own), clerk
    mismatched = changed(actors.counter_request(other), mother_first_name="نفرتيتي")
    yield IDENTITY + "EnrolAtCounter", mismatched, clerk
    yield IDENTITY + "EnrolAtCounter", changed(actors.counter_request(other), mobile=own.mobile), clerk
    yield IDENTITY + "EnrolAtCounter", actors.counter_request(own), token
    future_birth = "399" + own.national_id[3:]
    yield IDENTITY + "EnrolAtCounter", changed(actors.counter_request(own), national_id=future_birth), clerk
    sign_in = identity.StartSignInRequest(request_id=new_id(), channel="portal")
    yield IDENTITY + "StartSignIn", changed(sign_in, national_id=own.national_id), ""
    device = citizen.session.device_token
    of_other = changed(sign_in, request_id=new_id(), national_id=other.national_id, device_token=device)
    yield IDENTITY + "StartSignIn", of_other, ""
    yield IDENTITY + "StartSignIn", changed(of_other, request_id=new_id()), ""
    yield IDENTITY + "StartSignIn", changed(of_other, request_id=new_id(), device_token=device * 3), ""
    staff_sign_in = changed(sign_in, channel="post_office")
    yield IDENTITY + "StartSignIn", changed(staff_sign_in, staff_number=own.national_id), ""
    yield IDENTITY + "StartSignIn", changed(staff_sign_in, staff_number=own.full_name), ""
    by_number = identity.GetAccountRequest(national_id=own.national_id, purpose=own.full_name)
    yield IDENTITY + "GetAccount", by_number, token
    yield IDENTITY + "GetAccount", by_number, own.national_id
    yield (
        IDENTITY + "RefreshToken",
        identity.RefreshTokenRequest(request_id=new_id(), refresh_token=f"{own.national_id}.{own.mobile}"),
        "",
    )
    yield (
        IDENTITY + "IssueServiceToken",
        identity.IssueServiceTokenRequest(client_assertion=token, audience="identity", acting_for=own.mobile),
        "",
    )
    yield (
        IDENTITY + "IssueServiceToken",
        identity.IssueServiceTokenRequest(client_assertion=token, audience="identity"),
        "",
    )
    _, registration = actors.officer_request("clerk", office=own.national_id)
    yield IDENTITY + "RegisterOfficer", changed(registration, office_id=""), admin
    yield (
        IDENTITY + "RegisterOfficer",
        changed(registration, mobile=actors.officer("auditor").person.mobile),
        admin,
    )
    yield IDENTITY + "RegisterOfficer", changed(registration, office_id=own.full_name), admin
    yield from _ends_of_roles(actors, own, admin)
    confirmation = identity.StartConfirmationRequest(
        request_id=new_id(), purpose="nobody.does", digest="0" * 64
    )
    yield IDENTITY + "StartConfirmation", confirmation, token
    yield IDENTITY + "StartConfirmation", changed(confirmation, purpose=own.mobile), token


def _ends_of_roles(actors: Actors, person: Person, token: str) -> Iterator[Call]:
    text = f"{person.full_name} {person.national_id} {person.mobile}"
    end = identity.EndRolesRequest(request_id=new_id(), officer_id=new_id(), roles=["clerk"], reason=text)
    yield IDENTITY + "EndRoles", end, token
    yield IDENTITY + "EndRoles", changed(end, reason=text * 10), token
    yield IDENTITY + "EndRoles", changed(end, staff_number=person.national_id), token
    administrator = actors.officer("administrator").officer_id
    yield IDENTITY + "EndRoles", changed(end, officer_id=administrator), token


def _of_notary(actors: Actors, citizen: Citizen) -> Iterator[Call]:
    other, own, token = actors.person(), citizen.person, citizen.session.token("notary")
    draft = changed(actors.draft_request(), agent_national_id=other.national_id)
    yield NOTARY + "DraftPowerOfAttorney", draft, token
    own_agent = changed(draft, agent_national_id=own.national_id, agent_first_name=own.first_name)
    yield NOTARY + "DraftPowerOfAttorney", own_agent, token
    yield NOTARY + "DraftPowerOfAttorney", changed(draft, agent_national_id=own.mobile), token
    # A form of 14 digits with the 31st of February passes the rule of the field; identity refuses it.
    impossible = f"{own.national_id[:3]}0231{own.national_id[7:]}"
    yield (
        NOTARY + "DraftPowerOfAttorney",
        changed(draft, request_id=new_id(), agent_national_id=impossible),
        token,
    )
    yield NOTARY + "DraftPowerOfAttorney", changed(draft, power_of_attorney_id=own.national_id), token
    long_term = changed(draft)
    long_term.special_terms.append(f"{own.full_name} {own.national_id} {own.mobile} " * 20)
    yield NOTARY + "DraftPowerOfAttorney", long_term, token
    submission = notary.SubmitPowerOfAttorneyRequest(
        request_id=new_id(), power_of_attorney_id=new_id(), confirmation=token
    )
    yield NOTARY + "SubmitPowerOfAttorney", submission, token
    case = actors.create_draft(citizen)
    yield (
        NOTARY + "SubmitPowerOfAttorney",
        changed(submission, power_of_attorney_id=case.power_of_attorney_id),
        token,
    )
    decision = actors.decision_request(
        case, notary.REVIEW_DECISION_REFUSE, f"{own.full_name} {own.national_id}"
    )
    yield NOTARY + "DecideReview", decision, actors.session("reviewer").token("notary")
    verification = notary.VerifyPowerOfAttorneyRequest(
        number=own.national_id, verification_code=own.full_name
    )
    yield NOTARY + "VerifyPowerOfAttorney", verification, ""
    listing = notary.ListPowersOfAttorneyRequest(page_token=own.national_id)
    yield NOTARY + "ListPowersOfAttorney", listing, token


def _of_others(actors: Actors, citizen: Citizen) -> Iterator[Call]:
    own, token = citizen.person, citizen.session.token("payments")
    operator, auditor = actors.operator_token("identity"), actors.session("auditor")
    quote = payments.GetQuoteRequest(
        service=own.national_id, channel="portal", governorate="01", means=payments.PAYMENT_MEANS_CARD
    )
    yield PAYMENTS + "GetQuote", quote, ""
    yield PAYMENTS + "GetQuote", changed(quote, service=own.mobile), ""
    payment = payments.CreatePaymentRequest(
        request_id=new_id(), subject_id=new_id(), means=payments.PAYMENT_MEANS_CARD, card_token="tok_ok"
    )
    yield PAYMENTS + "CreatePayment", payment, token
    yield PAYMENTS + "CreatePayment", changed(payment, card_token=own.national_id), token
    yield PAYMENTS + "GetPayment", payments.GetPaymentRequest(payment_id=own.national_id), token
    ledger = payments.ListLedgerEntriesRequest(page_token=own.national_id, account=own.full_name)
    yield PAYMENTS + "ListLedgerEntries", ledger, auditor.token("payments")
    yield PAYMENTS + "ListLedgerEntries", changed(ledger, payment_id=own.mobile), token
    yield (
        NOTIFICATION + "ListMessages",
        notification.ListMessagesRequest(page_token=own.mobile),
        auditor.token("notification"),
    )
    yield (
        NOTIFICATION + "ListMessages",
        notification.ListMessagesRequest(account_id=own.national_id, request_number=own.mobile),
        auditor.token("notification"),
    )
    yield (
        NOTIFICATION + "GetMessage",
        notification.GetMessageRequest(message_id=own.mobile),
        auditor.token("notification"),
    )
    yield OPERATIONS + "GetParked", operations.GetParkedRequest(parked_id=own.national_id), operator
    yield OPERATIONS + "GetParked", operations.GetParkedRequest(parked_id=own.full_name), operator
    yield OPERATIONS + "ListParked", operations.ListParkedRequest(page_token=own.full_name * 10), operator
    yield OPERATIONS + "ReplayParked", operations.ReplayParkedRequest(parked_id=own.mobile), operator
    yield OPERATIONS + "DiscardParked", operations.DiscardParkedRequest(parked_id=own.mobile), operator


def changed(request: Message, **fields: Any) -> Any:
    """Return a copy of the request with other values for these fields."""
    other = type(request)()
    other.CopyFrom(request)
    for name, value in fields.items():
        setattr(other, name, value)
    return other


def over_http(actors: Actors, person: Person) -> dict[str, str]:
    """Return the answers of every program's HTTP server to requests that it does not serve."""
    answers: dict[str, str] = {}
    for name, port in actors.layout.ports().items():
        if not name.endswith(("-http", "-callbacks")):
            continue
        for path, body in ((f"/{person.national_id}", None), ("/callbacks", f'{{"x": "{person.mobile}"}}')):
            request = urllib.request.Request(
                f"http://127.0.0.1:{port}{path}", body.encode() if body else None
            )
            try:
                with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS) as response:
                    answers[f"{name} {bool(body)}"] = response.read().decode()
            except urllib.error.HTTPError as error:
                answers[f"{name} {bool(body)}"] = f"{error.headers}\n{error.read().decode(errors='replace')}"
    return answers


def park_broken(actors: Actors, person: Person) -> list[str]:
    """Publish, as the registry, messages that identity must park, each with a person's data; return the parked ids."""
    before = _parked(actors)
    key = ECKey.import_key(json.loads(actors.environment.registry_seal_key.read_text()))
    plain = json_format.MessageToJson(
        registry.PersonRecord(
            national_id=person.national_id, full_name=person.full_name, address=person.address
        ),
        ensure_ascii=False,
    )

    def body(record: str, person_id: str = "") -> str:
        message = registry.PersonRegistered(person_id=person_id or new_id(), record=record)
        return json_format.MessageToJson(message, ensure_ascii=False)

    event_id = new_id()
    broken = [
        ("not sealed at all", TYPE, body(plain), new_id()),
        ("sealed for another event", TYPE, body(sealed_record(person, new_id(), key)), new_id()),
        ("the national ID of another person", TYPE, body(sealed_record(person, event_id, key)), event_id),
        ("no JSON", TYPE, f"{person.national_id} {person.full_name}", new_id()),
        ("a national ID as the person's id", TYPE, body("x", person.national_id), new_id()),
        ("a field that the type has not", TYPE, f'{{"nationalId": "{person.national_id}"}}', new_id()),
        ("a national ID in the type", f"diwan.{person.national_id}", body(plain), new_id()),
        (
            "a national ID in the event's id",
            TYPE,
            body(plain),
            f"{person.national_id}-{datetime.now(UTC):%s}",
        ),
    ]
    for _, event_type, text, own_id in broken:
        publish(
            actors.layout,
            USER,
            "registry.events",
            ROUTING_KEY,
            event_type,
            text,
            subject=person.mobile,
            event_id=own_id,
        )
    wait_for("the messages to be parked", lambda: len(_parked(actors) - before) == len(broken))
    return sorted(_parked(actors) - before)


def _parked(actors: Actors) -> set[str]:
    return {str(entry["_id"]) for entry in actors.probes.documents("identity", "inbox", parked=True)}
