"""What the platform says when it is asked wrongly, with personal data in every field that takes text."""

import json
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from demo.actors import Citizen
from demo.registry import KEY, TYPE, USER, sealed_record
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
from .probes import until
from .scenario import other_code
from .wire import Refusal, Wire

IDENTITY = "diwan.identity.v1.IdentityService."
PAYMENTS = "diwan.payments.v1.PaymentService."
NOTARY = "diwan.notary.v1.PowerOfAttorneyService."
NOTIFICATION = "diwan.notification.v1.NotificationService."
OPERATIONS = "diwan.operations.v1.OperationsService."
SECONDS = 30


def some_id() -> str:
    return str(uuid.uuid4())


def refusals(actors: Actors, wire: Wire, citizen: Citizen) -> dict[str, Refusal]:
    """Everything that services refuse, by reason and RPC.

    `citizen` is enrolled and signed in; a stranger who is not has a part in it, too.
    """
    told: dict[str, Refusal] = {}
    asked = [*_of_identity(actors, citizen), *_of_notary(actors, citizen), *_of_others(actors, citizen)]
    for rpc, request, token in asked:
        number = citizen.person.national_id
        answer = wire.ask(
            rpc,
            request,
            token,
            program="identity" if rpc.startswith(OPERATIONS) else "",
            metadata=(("diwan-request-number", number), ("user-agent-detail", citizen.person.mobile)),
        )
        if isinstance(answer, Refusal):
            told[f"{answer.reason} of {rpc}, {len(told)}"] = answer
    return told


Asked = tuple[str, Message | bytes, str]


def _of_identity(actors: Actors, citizen: Citizen) -> Iterator[Asked]:
    stranger, own = actors.person(), citizen.person
    clerk = actors.session("clerk", "post-0777").token("identity")
    admin, token = actors.administrator().token("identity"), citizen.session.token("identity")
    start = identity.StartEnrolmentRequest(
        request_id=some_id(),
        first_name=stranger.first_name,
        mother_first_name=stranger.mother_first_name,
        national_id=stranger.national_id,
        mobile=stranger.mobile,
        channel="portal",
    )
    enrolment_id = actors.platform.call("identity", "StartEnrolment", start).enrolment_id
    code, _ = actors.phone(stranger).next_code()
    yield IDENTITY + "StartEnrolment", changed(start, request_id=some_id()), ""
    yield IDENTITY + "StartEnrolment", changed(start, mobile=stranger.mobile[1:]), ""
    yield IDENTITY + "StartEnrolment", changed(start, national_id=f"{own.national_id}-"), ""
    yield IDENTITY + "StartEnrolment", changed(start, first_name=own.full_name * 10), ""
    yield IDENTITY + "StartEnrolment", changed(start, channel=own.mobile, request_id=own.national_id), ""
    yield IDENTITY + "StartEnrolment", b"\xff\xff" + own.national_id.encode(), ""
    wrong = identity.CompleteEnrolmentRequest(request_id=some_id(), enrolment_id=some_id(), code=code)
    yield IDENTITY + "CompleteEnrolment", wrong, ""
    yield IDENTITY + "CompleteEnrolment", changed(wrong, code=own.mobile), ""
    for _ in range(6):
        tried = changed(wrong, request_id=some_id(), enrolment_id=enrolment_id, code=other_code(code))
        yield IDENTITY + "CompleteEnrolment", tried, ""
    yield IDENTITY + "EnrolAtCounter", actors.counter(own), clerk
    mismatched = changed(actors.counter(stranger), mother_first_name="نفرتيتي")
    yield IDENTITY + "EnrolAtCounter", mismatched, clerk
    yield IDENTITY + "EnrolAtCounter", changed(actors.counter(stranger), mobile=own.mobile), clerk
    yield IDENTITY + "EnrolAtCounter", actors.counter(own), token
    unborn = "399" + own.national_id[3:]
    yield IDENTITY + "EnrolAtCounter", changed(actors.counter(own), national_id=unborn), clerk
    signing = identity.StartSignInRequest(request_id=some_id(), channel="portal")
    yield IDENTITY + "StartSignIn", changed(signing, national_id=own.national_id), ""
    staffed = changed(signing, channel="post_office")
    yield IDENTITY + "StartSignIn", changed(staffed, staff_number=own.national_id), ""
    yield IDENTITY + "StartSignIn", changed(staffed, staff_number=own.full_name), ""
    by_number = identity.GetAccountRequest(national_id=own.national_id, purpose=own.full_name)
    yield IDENTITY + "GetAccount", by_number, token
    yield IDENTITY + "GetAccount", by_number, own.national_id
    yield (
        IDENTITY + "RefreshToken",
        identity.RefreshTokenRequest(request_id=some_id(), refresh_token=f"{own.national_id}.{own.mobile}"),
        "",
    )
    yield (
        IDENTITY + "IssueServiceToken",
        identity.IssueServiceTokenRequest(client_assertion=token, audience="identity", acting_for=own.mobile),
        "",
    )
    _, registering = actors.registering("clerk", office=own.national_id)
    yield IDENTITY + "RegisterOfficer", changed(registering, office_id=""), admin
    yield (
        IDENTITY + "RegisterOfficer",
        changed(registering, mobile=actors.officer("auditor").person.mobile),
        admin,
    )
    yield IDENTITY + "RegisterOfficer", changed(registering, office_id=own.full_name), admin
    confirming = identity.StartConfirmationRequest(
        request_id=some_id(), purpose="nobody.does", digest="0" * 64
    )
    yield IDENTITY + "StartConfirmation", confirming, token
    yield IDENTITY + "StartConfirmation", changed(confirming, purpose=own.mobile), token


def _of_notary(actors: Actors, citizen: Citizen) -> Iterator[Asked]:
    stranger, own, token = actors.person(), citizen.person, citizen.session.token("notary")
    drafting = changed(actors.drafting(), agent_national_id=stranger.national_id)
    yield NOTARY + "DraftPowerOfAttorney", drafting, token
    themselves = changed(drafting, agent_national_id=own.national_id, agent_first_name=own.first_name)
    yield NOTARY + "DraftPowerOfAttorney", themselves, token
    yield NOTARY + "DraftPowerOfAttorney", changed(drafting, agent_national_id=own.mobile), token
    yield NOTARY + "DraftPowerOfAttorney", changed(drafting, power_of_attorney_id=own.national_id), token
    lengthy = changed(drafting)
    lengthy.special_terms.append(f"{own.full_name} {own.national_id} {own.mobile} " * 20)
    yield NOTARY + "DraftPowerOfAttorney", lengthy, token
    submitting = notary.SubmitPowerOfAttorneyRequest(
        request_id=some_id(), power_of_attorney_id=some_id(), confirmation=token
    )
    yield NOTARY + "SubmitPowerOfAttorney", submitting, token
    case = actors.drafted(citizen)
    yield (
        NOTARY + "SubmitPowerOfAttorney",
        changed(submitting, power_of_attorney_id=case.power_of_attorney_id),
        token,
    )
    deciding = actors.deciding(case, notary.REVIEW_DECISION_REFUSE, f"{own.full_name} {own.national_id}")
    yield NOTARY + "DecideReview", deciding, actors.session("reviewer").token("notary")
    verifying = notary.VerifyPowerOfAttorneyRequest(number=own.national_id, verification_code=own.full_name)
    yield NOTARY + "VerifyPowerOfAttorney", verifying, ""
    listing = notary.ListPowersOfAttorneyRequest(page_token=own.national_id)
    yield NOTARY + "ListPowersOfAttorney", listing, token


def _of_others(actors: Actors, citizen: Citizen) -> Iterator[Asked]:
    own, token = citizen.person, citizen.session.token("payments")
    operator, auditor = actors.operator_token("identity"), actors.session("auditor")
    quoting = payments.GetQuoteRequest(
        service=own.national_id, channel="portal", governorate="01", means=payments.PAYMENT_MEANS_CARD
    )
    yield PAYMENTS + "GetQuote", quoting, ""
    yield PAYMENTS + "GetQuote", changed(quoting, service=own.mobile), ""
    paying = payments.CreatePaymentRequest(
        request_id=some_id(), subject_id=some_id(), means=payments.PAYMENT_MEANS_CARD, card_token="tok_ok"
    )
    yield PAYMENTS + "CreatePayment", paying, token
    yield PAYMENTS + "CreatePayment", changed(paying, card_token=own.national_id), token
    yield PAYMENTS + "GetPayment", payments.GetPaymentRequest(payment_id=own.national_id), token
    ledger = payments.ListLedgerEntriesRequest(page_token=own.national_id, account=own.full_name)
    yield PAYMENTS + "ListLedgerEntries", ledger, auditor.token("payments")
    yield PAYMENTS + "ListLedgerEntries", changed(ledger, payment_id=own.mobile), token
    yield (
        NOTIFICATION + "ListMessages",
        notification.ListMessagesRequest(page_token=own.mobile, account_id=own.national_id),
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
    """A copy of the request with other fields."""
    other = type(request)()
    other.CopyFrom(request)
    for name, value in fields.items():
        setattr(other, name, value)
    return other


def over_http(actors: Actors, person: Person) -> dict[str, str]:
    """What the HTTP doors of all programs answer to what nobody should ask them."""
    told: dict[str, str] = {}
    for name, port in actors.layout.ports().items():
        if not name.endswith("-http"):
            continue
        for path, body in ((f"/{person.national_id}", None), ("/callbacks", f'{{"x": "{person.mobile}"}}')):
            request = urllib.request.Request(
                f"http://127.0.0.1:{port}{path}", body.encode() if body else None
            )
            try:
                with urllib.request.urlopen(request, timeout=SECONDS) as answer:
                    told[f"{name} {bool(body)}"] = answer.read().decode()
            except urllib.error.HTTPError as error:
                told[f"{name} {bool(body)}"] = f"{error.headers}\n{error.read().decode(errors='replace')}"
    return told


def park_broken(actors: Actors, person: Person) -> list[str]:
    """Publish, as the registry, what identity must refuse, each with a person's data; the parked ids."""
    before = _parked(actors)
    key = ECKey.import_key(json.loads(actors.world.registry_seal_key.read_text()))
    plain = json_format.MessageToJson(
        registry.PersonRecord(
            national_id=person.national_id, full_name=person.full_name, address=person.address
        ),
        ensure_ascii=False,
    )

    def body(record: str, person_id: str = "") -> str:
        message = registry.PersonRegistered(person_id=person_id or some_id(), record=record)
        return json_format.MessageToJson(message, ensure_ascii=False)

    event_id = some_id()
    broken = [
        ("not sealed at all", TYPE, body(plain), some_id()),
        ("sealed for another event", TYPE, body(sealed_record(person, some_id(), key)), some_id()),
        ("another person's number", TYPE, body(sealed_record(person, event_id, key)), event_id),
        ("no JSON", TYPE, f"{person.national_id} {person.full_name}", some_id()),
        ("a number for an id", TYPE, body("x", person.national_id), some_id()),
        ("more than its type has", TYPE, f'{{"nationalId": "{person.national_id}"}}', some_id()),
        ("a number for a type", f"diwan.{person.national_id}", body(plain), some_id()),
        (
            "a number for an id of the event",
            TYPE,
            body(plain),
            f"{person.national_id}-{datetime.now(UTC):%s}",
        ),
    ]
    for _, kind, text, own_id in broken:
        publish(
            actors.layout, USER, "registry.events", KEY, kind, text, subject=person.mobile, event_id=own_id
        )
    until("the parking", lambda: len(_parked(actors) - before) == len(broken))
    return sorted(_parked(actors) - before)


def _parked(actors: Actors) -> set[str]:
    return {str(entry["_id"]) for entry in actors.probes.documents("identity", "inbox", parked=True)}
