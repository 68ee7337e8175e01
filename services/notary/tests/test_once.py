"""Every changing RPC is idempotent: repeated calls, 20 concurrent calls, and calls with other content."""

import asyncio
from datetime import timedelta
from uuid import uuid4

import pytest
from chassis.errors import ConfirmationExpired
from chassis.messaging.policies import PermanentFailure
from diwan.notary.v1 import notary_pb2 as pb
from notary.commands import PURPOSE
from testkit.loads import loads

from .world import deciding, drafting, refusal

pytestmark = pytest.mark.real

CONCURRENT_CALLS = 20


async def draft(world, principal, agent):
    request = drafting(agent)
    other = drafting(agent, request_id=request.request_id, special_terms=["بند آخر تماما"])
    return world.stub.DraftPowerOfAttorney, request, other, world.citizen(principal)


async def draft_again(world, principal, agent):
    case = await world.draft(principal, agent)
    request = drafting(agent, power_of_attorney_id=case.power_of_attorney_id, special_terms=["بند جديد"])
    other = pb.DraftPowerOfAttorneyRequest()
    other.CopyFrom(request)
    other.kind = pb.POWER_OF_ATTORNEY_KIND_BANK
    return world.stub.DraftPowerOfAttorney, request, other, world.citizen(principal)


async def submit(world, principal, agent):
    case = await world.draft(principal, agent)
    request = pb.SubmitPowerOfAttorneyRequest(
        request_id=str(uuid4()),
        power_of_attorney_id=case.power_of_attorney_id,
        confirmation=world.confirmation(principal, case.digest),
    )
    other = pb.SubmitPowerOfAttorneyRequest()
    other.CopyFrom(request)
    other.confirmation = world.confirmation(principal, case.digest)
    return world.stub.SubmitPowerOfAttorney, request, other, world.citizen(principal)


async def claim(world, principal, agent):
    for _ in range(3):
        await world.paid(principal, agent)
    request = pb.ClaimNextReviewRequest(request_id=str(uuid4()))
    return world.stub.ClaimNextReview, request, None, world.reviewer()


async def decide(world, principal, agent):
    case = await world.claimed(principal, agent)
    request = deciding(case.power_of_attorney_id)
    other = deciding(
        case.power_of_attorney_id, pb.REVIEW_DECISION_REFUSE, "سبب", request_id=request.request_id
    )
    return world.stub.DecideReview, request, other, world.reviewer()


async def collect(world, principal, agent):
    case = await world.issued(principal, agent)
    request = pb.CollectPowerOfAttorneyRequest(
        request_id=str(uuid4()), power_of_attorney_id=case.power_of_attorney_id, card_seen=True
    )
    clerk = world.officer("clerk", "clerk", case.office_id)
    return world.stub.CollectPowerOfAttorney, request, None, clerk


RPCS = {
    "DraftPowerOfAttorney": draft,
    "DraftPowerOfAttorney, again": draft_again,
    "SubmitPowerOfAttorney": submit,
    "ClaimNextReview": claim,
    "DecideReview": decide,
    "CollectPowerOfAttorney": collect,
}


async def effects(world):
    """Return id, version and number of events of every case; a second effect would change them."""
    cursor = world.store.powers_of_attorney.collection.find({}, {"version": 1, "outbox.id": 1})
    return sorted([(case["_id"], case["version"], len(case["outbox"])) async for case in cursor])


def test_every_changing_rpc_is_tested():
    """A changing RPC is one whose request has a request id."""
    service = pb.DESCRIPTOR.services_by_name["PowerOfAttorneyService"]

    changing = {method.name for method in service.methods if "request_id" in method.input_type.fields_by_name}

    assert changing == {name.partition(",")[0] for name in RPCS}


@pytest.mark.parametrize("rpc", RPCS)
async def test_a_repeated_call_returns_the_first_answer(world, principal, agent, rpc):
    """The answers are equal, and the second call changes nothing."""
    call, request, _, metadata = await RPCS[rpc](world, principal, agent)

    first = await call(request, metadata=metadata)
    before = await effects(world)
    second = await call(request, metadata=metadata)

    assert second == first
    assert await effects(world) == before


@pytest.mark.parametrize("rpc", RPCS)
async def test_a_command_loads_its_case_once(world, principal, agent, rpc):
    """The decision and the request number come from the same state."""
    call, request, _, metadata = await RPCS[rpc](world, principal, agent)
    before = loads("powers_of_attorney")

    answer = await call(request, metadata=metadata)

    assert loads("powers_of_attorney") - before == 1
    entries = await world.outbox(answer.power_of_attorney_id)
    assert {entry["correlation"] for entry in entries} <= {answer.number}


async def test_policies_load_their_case_once(world, principal, agent):
    """Rendering loads it once more, because the document is rendered before the command that issues it."""
    unpaid = await world.submitted(principal, agent)
    before = loads("powers_of_attorney")
    await world.settle(unpaid.power_of_attorney_id)
    assert loads("powers_of_attorney") - before == 1

    approved = await world.approved(principal, agent)
    before = loads("powers_of_attorney")
    await world.print(approved.power_of_attorney_id)
    assert loads("powers_of_attorney") - before == 2
    assert (await world.outbox(approved.power_of_attorney_id))[-1]["correlation"] == approved.number


@pytest.mark.parametrize("rpc", RPCS)
async def test_20_concurrent_calls_have_one_effect(world, principal, agent, rpc):
    """All calls receive the same answer."""
    call, request, _, metadata = await RPCS[rpc](world, principal, agent)
    before = {case[0]: case[1:] for case in await effects(world)}

    answers = await asyncio.gather(*(call(request, metadata=metadata) for _ in range(CONCURRENT_CALLS)))

    assert all(answer == answers[0] for answer in answers)
    changed = [case for case in await effects(world) if before.get(case[0]) != case[1:]]
    assert len(changed) == 1
    assert changed[0][1] == before.get(changed[0][0], (0,))[0] + 1


@pytest.mark.parametrize(
    "rpc", [rpc for rpc in RPCS if rpc not in ("ClaimNextReview", "CollectPowerOfAttorney")]
)
async def test_other_content_with_the_same_request_id_is_refused(world, principal, agent, rpc):
    """A request id belongs to one content."""
    call, request, other, metadata = await RPCS[rpc](world, principal, agent)
    await call(request, metadata=metadata)
    before = await effects(world)

    refused = await refusal(call(other, metadata=metadata))

    assert refused == ("ALREADY_EXISTS", "REQUEST_ID_REUSED")
    assert await effects(world) == before


async def test_a_request_id_collects_one_document(world, principal, agent):
    """The same request id for another document at the office is refused, and that document is not collected."""
    first = await world.issued(principal, agent)
    second = await world.issued(principal, agent)
    while second.office_id != first.office_id:  # a governorate has two or three
        second = await world.issued(principal, agent)
    clerk = world.officer("clerk", "clerk", first.office_id)
    request_id = str(uuid4())
    requests = [
        pb.CollectPowerOfAttorneyRequest(
            request_id=request_id, power_of_attorney_id=case.power_of_attorney_id, card_seen=True
        )
        for case in (first, second)
    ]
    await world.stub.CollectPowerOfAttorney(requests[0], metadata=clerk)
    before = await effects(world)

    refused = await refusal(world.stub.CollectPowerOfAttorney(requests[1], metadata=clerk))

    assert refused == ("ALREADY_EXISTS", "REQUEST_ID_REUSED")
    assert await effects(world) == before


async def test_a_repeated_claim_of_a_decided_case_returns_the_first_answer(world, principal, agent):
    """It does not claim a second case."""
    for _ in range(2):
        await world.paid(principal, agent)
    request = pb.ClaimNextReviewRequest(request_id=str(uuid4()))
    first = await world.stub.ClaimNextReview(request, metadata=world.reviewer())
    await world.stub.DecideReview(deciding(first.power_of_attorney_id), metadata=world.reviewer())

    assert await world.stub.ClaimNextReview(request, metadata=world.reviewer()) == first


async def test_a_repeated_submission_is_answered_after_the_confirmation_expired(world, principal, agent):
    """A confirmation expires after five minutes, a kept answer after a day."""
    call, request, _, metadata = await submit(world, principal, agent)
    first = await call(request, metadata=metadata)
    world.ctx.keys._clock = lambda: world.ctx.clock() + timedelta(minutes=6)
    signed = await world.ctx.keys.confirmation(request.confirmation)
    with pytest.raises(ConfirmationExpired):
        signed.verify(purpose=PURPOSE, digest=first.digest, account=principal.account)

    again = await call(request, metadata=metadata)

    assert again == first


@pytest.mark.parametrize("times", [2, CONCURRENT_CALLS])
async def test_repeated_settlements_open_one_review(world, principal, agent, times):
    """The event is repeated concurrently and later, and the payment in another event."""
    case = await world.submitted(principal, agent)
    case_id = case.power_of_attorney_id

    event = str(uuid4())
    await asyncio.gather(*(world.settle(case_id, "payment-1", event) for _ in range(times)))
    before = await effects(world)
    await world.settle(case_id, "payment-1", event)
    await world.settle(case_id, "payment-1")

    assert await effects(world) == before


async def test_a_payment_for_another_service_is_ignored(world):
    """Payments of unknown subjects belong to other services."""
    await world.settle(str(uuid4()))

    assert await effects(world) == []


async def test_an_unexpected_payment_is_parked(world, principal, agent):
    """A payment for a draft and a second payment for a case are neither ignored nor retried: a person must decide."""
    draft = await world.draft(principal, agent)
    paid = await world.paid(principal, agent)

    for case in (draft, paid):
        with pytest.raises(PermanentFailure) as parked:
            await world.settle(case.power_of_attorney_id, "another-payment")
        assert parked.value.reason == "NOT_AWAITING_PAYMENT"


async def test_repeated_approvals_issue_one_document(world, principal, agent):
    """The event is repeated concurrently and later: there is one fact and one stored document."""
    case = await world.approved(principal, agent)
    case_id = case.power_of_attorney_id

    await asyncio.gather(*(world.print(case_id, "the-approval") for _ in range(5)))
    await world.print(case_id, "the-approval")
    await world.print(case_id)

    published = [entry["type"].rpartition(".")[2] for entry in await world.outbox(case_id)]
    kept = await world.store.case(case_id)
    documents = [document["_id"] async for document in world.store.documents.collection.find()]
    assert published.count("PowerOfAttorneyIssued") == 1
    assert documents == [kept.document_digest]


async def test_concurrent_renderings_of_one_case_issue_one_document(world, principal, agent):
    """The document of the process that finishes first is the issued one."""
    case = await world.approved(principal, agent)
    case_id = case.power_of_attorney_id
    renderer = world.printer

    first = []

    async def meanwhile():
        renderer.before = None
        await world.print(case_id, "another")
        first.append((await world.store.case(case_id)).document_digest)

    renderer.before = meanwhile
    await world.print(case_id, "this")

    kept = await world.store.case(case_id)
    documents = [document["_id"] async for document in world.store.documents.collection.find()]
    published = [entry["type"].rpartition(".")[2] for entry in await world.outbox(case_id)]
    assert renderer.rendered == 2
    assert documents == [kept.document_digest] == first
    assert published.count("PowerOfAttorneyIssued") == 1
