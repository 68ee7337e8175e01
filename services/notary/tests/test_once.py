"""Each changing RPC happens once: asked twice, asked 20 times at once, and asked again with other content."""

import asyncio
from datetime import timedelta
from uuid import uuid4

import pytest
from chassis.errors import ConfirmationExpired
from chassis.messaging.policies import PermanentFailure
from diwan.notary.v1 import notary_pb2 as pb
from notary.commands import PURPOSE

from .world import deciding, drafting, refusal

pytestmark = pytest.mark.real

AT_ONCE = 20


async def drafted(world, principal, agent):
    request = drafting(agent)
    other = drafting(agent, request_id=request.request_id, special_terms=["بند آخر تماما"])
    return world.stub.DraftPowerOfAttorney, request, other, world.citizen(principal)


async def drafted_anew(world, principal, agent):
    case = await world.draft(principal, agent)
    request = drafting(agent, power_of_attorney_id=case.power_of_attorney_id, special_terms=["بند جديد"])
    other = pb.DraftPowerOfAttorneyRequest()
    other.CopyFrom(request)
    other.kind = pb.POWER_OF_ATTORNEY_KIND_BANK
    return world.stub.DraftPowerOfAttorney, request, other, world.citizen(principal)


async def submitted(world, principal, agent):
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


async def claimed(world, principal, agent):
    for _ in range(3):
        await world.paid(principal, agent)
    request = pb.ClaimNextReviewRequest(request_id=str(uuid4()))
    return world.stub.ClaimNextReview, request, None, world.reviewer()


async def decided(world, principal, agent):
    case = await world.claimed(principal, agent)
    request = deciding(case.power_of_attorney_id)
    other = deciding(
        case.power_of_attorney_id, pb.REVIEW_DECISION_REFUSE, "سبب", request_id=request.request_id
    )
    return world.stub.DecideReview, request, other, world.reviewer()


async def collected(world, principal, agent):
    case = await world.issued(principal, agent)
    request = pb.CollectPowerOfAttorneyRequest(
        request_id=str(uuid4()), power_of_attorney_id=case.power_of_attorney_id, card_seen=True
    )
    clerk = world.officer("clerk", "clerk", case.office_id)
    return world.stub.CollectPowerOfAttorney, request, None, clerk


RPCS = {
    "DraftPowerOfAttorney": drafted,
    "DraftPowerOfAttorney, anew": drafted_anew,
    "SubmitPowerOfAttorney": submitted,
    "ClaimNextReview": claimed,
    "DecideReview": decided,
    "CollectPowerOfAttorney": collected,
}


async def effects(world):
    """Every case's version and what it told: what a second effect would change."""
    found = world.store.powers_of_attorney.collection.find({}, {"version": 1, "outbox.id": 1})
    return sorted([(case["_id"], case["version"], len(case["outbox"])) async for case in found])


def test_every_changing_rpc_is_here():
    """An RPC whose request has a request id happens once, and this file shows it."""
    service = pb.DESCRIPTOR.services_by_name["PowerOfAttorneyService"]

    changing = {method.name for method in service.methods if "request_id" in method.input_type.fields_by_name}

    assert changing == {name.partition(",")[0] for name in RPCS}


@pytest.mark.parametrize("rpc", RPCS)
async def test_asked_twice_it_answers_the_same(world, principal, agent, rpc):
    """The second answer is the first, byte for byte, and nothing has changed."""
    ask, request, _, metadata = await RPCS[rpc](world, principal, agent)

    first = await ask(request, metadata=metadata)
    before = await effects(world)
    second = await ask(request, metadata=metadata)

    assert second == first
    assert await effects(world) == before


@pytest.mark.parametrize("rpc", RPCS)
async def test_asked_20_times_at_once_it_has_one_effect(world, principal, agent, rpc):
    """Everyone gets the one answer."""
    ask, request, _, metadata = await RPCS[rpc](world, principal, agent)
    before = {case[0]: case[1:] for case in await effects(world)}

    answers = await asyncio.gather(*(ask(request, metadata=metadata) for _ in range(AT_ONCE)))

    assert all(answer == answers[0] for answer in answers)
    changed = [case for case in await effects(world) if before.get(case[0]) != case[1:]]
    assert len(changed) == 1
    assert changed[0][1] == before.get(changed[0][0], (0,))[0] + 1


@pytest.mark.parametrize(
    "rpc", [rpc for rpc in RPCS if rpc not in ("ClaimNextReview", "CollectPowerOfAttorney")]
)
async def test_other_content_under_the_same_id_is_refused(world, principal, agent, rpc):
    """A request id stands for one content."""
    ask, request, other, metadata = await RPCS[rpc](world, principal, agent)
    await ask(request, metadata=metadata)
    before = await effects(world)

    refused = await refusal(ask(other, metadata=metadata))

    assert refused == ("ALREADY_EXISTS", "REQUEST_ID_REUSED")
    assert await effects(world) == before


async def test_a_request_id_collects_one_document(world, principal, agent):
    """The same request id for another document that lies at the office is refused, and it still lies there."""
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


async def test_a_claim_decided_meanwhile_is_answered_as_it_was(world, principal, agent):
    """A late repetition of a claim does not give a second case."""
    for _ in range(2):
        await world.paid(principal, agent)
    request = pb.ClaimNextReviewRequest(request_id=str(uuid4()))
    first = await world.stub.ClaimNextReview(request, metadata=world.reviewer())
    await world.stub.DecideReview(deciding(first.power_of_attorney_id), metadata=world.reviewer())

    assert await world.stub.ClaimNextReview(request, metadata=world.reviewer()) == first


async def test_a_submission_is_answered_again_after_the_confirmation_ended(world, principal, agent):
    """Five minutes later the answer is still to be had, for a day."""
    ask, request, _, metadata = await submitted(world, principal, agent)
    first = await ask(request, metadata=metadata)
    world.ctx.keys._clock = lambda: world.ctx.clock() + timedelta(minutes=6)
    with pytest.raises(ConfirmationExpired):
        await world.ctx.keys.confirmation(
            request.confirmation, purpose=PURPOSE, digest=first.digest, account=principal.account
        )

    again = await ask(request, metadata=metadata)

    assert again == first


@pytest.mark.parametrize("times", [2, AT_ONCE])
async def test_a_settled_payment_told_again_opens_one_review(world, principal, agent, times):
    """The same event, again and at once."""
    case = await world.submitted(principal, agent)
    case_id = case.power_of_attorney_id

    event = str(uuid4())
    await asyncio.gather(*(world.settle(case_id, "payment-1", event) for _ in range(times)))
    before = await effects(world)
    await world.settle(case_id, "payment-1", event)
    await world.settle(case_id, "payment-1")

    assert await effects(world) == before


async def test_a_payment_for_another_service_is_passed_over(world):
    """What notary does not know was paid for somebody else's service."""
    await world.settle(str(uuid4()))

    assert await effects(world) == []


async def test_a_payment_where_none_is_awaited_is_for_a_person(world, principal, agent):
    """Money for a draft, or a second payment for one case: parked, not passed over and not tried again."""
    draft = await world.draft(principal, agent)
    paid = await world.paid(principal, agent)

    for case in (draft, paid):
        with pytest.raises(PermanentFailure) as parked:
            await world.settle(case.power_of_attorney_id, "another-payment")
        assert parked.value.reason == "NOT_AWAITING_PAYMENT"


async def test_an_approval_told_again_issues_one_document(world, principal, agent):
    """The same approval, once more later, and 5 times at once: one fact, one document kept."""
    case = await world.approved(principal, agent)
    case_id = case.power_of_attorney_id

    await asyncio.gather(*(world.print(case_id, "the-approval") for _ in range(5)))
    await world.print(case_id, "the-approval")
    await world.print(case_id)

    told = [entry["type"].rpartition(".")[2] for entry in await world.outbox(case_id)]
    kept = await world.store.case(case_id)
    documents = [document["_id"] async for document in world.store.documents.collection.find()]
    assert told.count("PowerOfAttorneyIssued") == 1
    assert documents == [kept.document_digest]


async def test_two_renderers_at_work_on_one_case_issue_one_document(world, principal, agent):
    """Another process issued it while this one was printing: its document stands."""
    case = await world.approved(principal, agent)
    case_id = case.power_of_attorney_id
    printer = world.printer

    first = []

    async def meanwhile():
        printer.before = None
        await world.print(case_id, "another")
        first.append((await world.store.case(case_id)).document_digest)

    printer.before = meanwhile
    await world.print(case_id, "this")

    kept = await world.store.case(case_id)
    documents = [document["_id"] async for document in world.store.documents.collection.find()]
    told = [entry["type"].rpartition(".")[2] for entry in await world.outbox(case_id)]
    assert printer.printed == 2
    assert documents == [kept.document_digest] == first
    assert told.count("PowerOfAttorneyIssued") == 1
