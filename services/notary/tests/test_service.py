"""The whole service on a real store and broker, with the real renderer: from draft to collection."""

import hashlib
import io
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from uuid import uuid4

import grpc
import pytest
from chassis.caller import Caller, Kind
from chassis.tokens import generate_key, sign_confirmation
from diwan.identity.v1 import identity_pb2_grpc
from diwan.notary.v1 import events_pb2 as events
from diwan.notary.v1 import notary_pb2 as pb
from diwan.notary.v1 import notary_pb2_grpc
from diwan.payments.v1.events_pb2 import PaymentSettled
from notary.__main__ import build
from notary.commands import PURPOSE
from notary.errors import ERRORS
from notary.settings import Settings
from notary.store import SCHEMA_VERSION
from pypdf import PdfReader
from testkit.service import begin, eventually

from .document_samples import make_authority
from .world import Identity, Person, deciding, drafting, uid

pytestmark = pytest.mark.real

PRINCIPAL, AGENT = Person(1), Person(2)
READER = "notification.notary.power_of_attorney"


@pytest.fixture
async def trial(broker, store_uri, tmp_path):
    """A running notary, and a fake identity with the accounts of principal and agent."""
    async with AsyncExitStack() as stack:
        identity_server = grpc.aio.server()
        identity = Identity(generate_key())
        identity.people = [PRINCIPAL, AGENT]
        identity_pb2_grpc.add_IdentityServiceServicer_to_server(identity, identity_server)
        target = f"127.0.0.1:{identity_server.add_insecure_port('127.0.0.1:0')}"
        await identity_server.start()
        stack.push_async_callback(identity_server.stop, None)

        async def build_with_authority(service):
            make_authority(service.env.settings.keys_dir)
            return await build(service)

        trial = await begin(
            "notary",
            Settings,
            build_with_authority,
            errors=ERRORS,
            schema_version=SCHEMA_VERSION,
            broker=broker,
            store_uri=store_uri,
            folder=tmp_path,
            identity_target=target,
        )
        stack.push_async_callback(trial.stop)
        yield trial


def officer(name, role, office=""):
    return Caller(
        kind=Kind.OFFICER, id=uid(name), person=uid(f"person-{name}"), roles=frozenset({role}), office=office
    )


CITIZEN = Caller(kind=Kind.CITIZEN, id=PRINCIPAL.account, person=PRINCIPAL.id, channel="portal")


async def test_a_power_of_attorney_from_draft_to_collection(trial):
    """Each step is a call or an event; the document is a signed PDF with its verification code."""
    stub = notary_pb2_grpc.PowerOfAttorneyServiceStub(trial.channel)
    citizen, reviewer = trial.bearer(CITIZEN), trial.bearer(officer("reviewer", "reviewer"))

    case = await stub.DraftPowerOfAttorney(drafting(AGENT), metadata=citizen)
    case_id = case.power_of_attorney_id
    confirmation = sign_confirmation(
        trial.signing,
        account=PRINCIPAL.account,
        purpose=PURPOSE,
        digest=case.digest,
        audience="notary",
        now=datetime.now(UTC),
        jti=str(uuid4()),
    )
    await stub.SubmitPowerOfAttorney(
        pb.SubmitPowerOfAttorneyRequest(
            request_id=str(uuid4()), power_of_attorney_id=case_id, confirmation=confirmation
        ),
        metadata=citizen,
    )
    submitted = await trial.taken("payments.notary.power_of_attorney", events.PowerOfAttorneySubmitted)
    assert (submitted.service, submitted.governorate) == ("notary.power_of_attorney.general", "01")

    paid = PaymentSettled(payment_id=str(uuid4()), subject_id=case_id)
    event_id = await trial.publish("payments", paid, number=case.number)
    await trial.publish("payments", paid, number=case.number, event_id=event_id)

    async def claim():
        try:
            request = pb.ClaimNextReviewRequest(request_id=str(uuid4()))
            return await stub.ClaimNextReview(request, metadata=reviewer)
        except grpc.aio.AioRpcError as error:
            return None if error.code() is grpc.StatusCode.NOT_FOUND else error

    assert (await eventually(claim)).power_of_attorney_id == case_id
    await stub.DecideReview(deciding(case_id), metadata=reviewer)

    issued = await trial.taken(READER, events.PowerOfAttorneyIssued)
    get = pb.GetPowerOfAttorneyRequest(power_of_attorney_id=case_id)
    seen = await stub.GetPowerOfAttorney(get, metadata=citizen)
    assert seen.state == pb.POWER_OF_ATTORNEY_STATE_ISSUED
    assert (issued.office_id, issued.office_name) == (seen.office_id, seen.office_name)

    components = stub.DownloadPowerOfAttorney(
        pb.DownloadPowerOfAttorneyRequest(power_of_attorney_id=case_id), metadata=citizen
    )
    pdf = b"".join([component.chunk async for component in components])
    assert hashlib.sha256(pdf).hexdigest() == issued.document_digest
    reader = PdfReader(io.BytesIO(pdf))
    assert "/AcroForm" in reader.trailer["/Root"]
    text = "".join(page.extract_text() for page in reader.pages)
    assert seen.verification_code in text.replace("-", "").replace(" ", "")

    clerk = trial.bearer(officer("clerk", "clerk", seen.office_id))
    await stub.CollectPowerOfAttorney(
        pb.CollectPowerOfAttorneyRequest(
            request_id=str(uuid4()), power_of_attorney_id=case_id, card_seen=True
        ),
        metadata=clerk,
    )
    collected = await trial.taken(READER, events.PowerOfAttorneyCollected)
    assert (collected.number, collected.office_id) == (case.number, seen.office_id)
    verified = await stub.VerifyPowerOfAttorney(
        pb.VerifyPowerOfAttorneyRequest(number=case.number, verification_code=seen.verification_code)
    )
    assert verified.in_force
    assert verified.document_digest == issued.document_digest
    assert await trial.parked() == []
    assert await trial.all_taken(READER, events.PowerOfAttorneyIssued, 1, within_seconds=0.5) == []
