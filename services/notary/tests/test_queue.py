"""The review queue: the order of cases, and the reviewers that may claim them."""

import asyncio
import math
from dataclasses import replace
from datetime import timedelta
from types import SimpleNamespace
from uuid import uuid4

import grpc
import pytest
from chassis.caller import Caller, Kind
from chassis.commands import CommandRequest
from chassis.errors import RequestIdReused
from diwan.notary.v1 import notary_pb2 as pb
from notary import commands, rendering, timers
from notary.metrics import AGES
from notary.model.power_of_attorney import Reviewer

from .world import deciding, refusal, uid

pytestmark = pytest.mark.real


async def claim(world, metadata):
    return await world.stub.ClaimNextReview(
        pb.ClaimNextReviewRequest(request_id=str(uuid4())), metadata=metadata
    )


async def test_the_case_that_has_waited_longest_is_claimed_first(world, principal, agent):
    """Cases are claimed in the order of their payment."""
    paid = [(await world.paid(principal, agent)).number for _ in range(3)]

    claimed = [(await claim(world, world.reviewer(f"reviewer-{n}"))).number for n in range(3)]

    assert claimed == paid


async def test_a_claim_from_an_empty_queue_is_refused(world):
    """The reason is QUEUE_EMPTY."""
    assert await refusal(claim(world, world.reviewer())) == ("NOT_FOUND", "QUEUE_EMPTY")


async def test_a_reviewer_claims_one_case_at_a_time(world, principal, agent):
    """The next claim is possible after the decision."""
    for _ in range(2):
        await world.paid(principal, agent)
    case = await claim(world, world.reviewer())

    assert await refusal(claim(world, world.reviewer())) == ("FAILED_PRECONDITION", "CASE_ALREADY_CLAIMED")
    await world.stub.DecideReview(deciding(case.power_of_attorney_id), metadata=world.reviewer())
    assert (await claim(world, world.reviewer())).number != case.number


@pytest.mark.parametrize("party", ["principal", "agent"])
async def test_a_party_never_claims_their_own_case(world, principal, agent, party):
    """The party receives the next case; another reviewer receives this one."""
    own = await world.paid(principal, agent)
    third, fourth = world.person(), world.person()
    other = await world.paid(third, fourth)
    person = {"principal": principal, "agent": agent}[party].id

    received = await claim(world, world.reviewer("party", person=person))

    assert received.number == other.number
    assert (await claim(world, world.reviewer("apart"))).number == own.number


async def test_a_queue_with_only_their_own_case_is_empty_for_a_party(world, principal, agent):
    """The case is invisible to the party."""
    await world.paid(principal, agent)

    call = claim(world, world.reviewer("party", person=agent.id))

    assert await refusal(call) == ("NOT_FOUND", "QUEUE_EMPTY")


async def test_an_officer_without_a_person_claims_no_case(world, principal, agent):
    """The service cannot check whether the officer is a party."""
    await world.paid(principal, agent)

    call = claim(world, world.reviewer("nobody", person=""))

    assert await refusal(call) == ("PERMISSION_DENIED", "PARTY_TO_CASE")


async def test_a_party_cannot_decide_after_the_claim(world, principal, agent):
    """The officer's person may become known between claim and decision."""
    case = await world.claimed(principal, agent)

    call = world.stub.DecideReview(
        deciding(case.power_of_attorney_id), metadata=world.reviewer(person=agent.id)
    )

    assert await refusal(call) == ("PERMISSION_DENIED", "PARTY_TO_CASE")


async def test_20_concurrent_reviewers_share_10_cases(world, principal, agent):
    """Each case is claimed by one reviewer; the queue is empty for the other ten."""
    paid = {(await world.paid(principal, agent)).number for _ in range(10)}

    answers = await asyncio.gather(
        *(claim(world, world.reviewer(f"reviewer-{n}")) for n in range(20)), return_exceptions=True
    )

    claimed = [answer.number for answer in answers if not isinstance(answer, Exception)]
    refused = [answer for answer in answers if isinstance(answer, grpc.aio.AioRpcError)]
    assert sorted(claimed) == sorted(paid)
    assert len(refused) == 10
    assert {error.code().name for error in refused} == {"NOT_FOUND"}


async def test_20_concurrent_claims_of_one_reviewer_claim_one_case(world, principal, agent):
    """The claims have different request ids."""
    for _ in range(5):
        await world.paid(principal, agent)

    answers = await asyncio.gather(
        *(claim(world, world.reviewer()) for _ in range(20)), return_exceptions=True
    )

    claimed = [answer for answer in answers if not isinstance(answer, Exception)]
    assert len(claimed) == 1
    in_review = await world.store.powers_of_attorney.collection.count_documents({"state.state": "in_review"})
    assert in_review == 1


async def test_one_call_never_claims_two_cases(world, principal, agent):
    """Not even when a late repetition runs after the first case was decided."""
    for _ in range(2):
        await world.paid(principal, agent)
    reviewer = Reviewer(uid("reviewer"), uid("person"))
    first, second = await world.store.waiting_for(reviewer)
    caller = Caller(kind=Kind.OFFICER, id=reviewer.id, person=reviewer.person_id)

    def repeated():
        return CommandRequest(
            id=CommandRequest.identify(caller, "claim", "1"),
            now=world.ctx.clock(),
            request_id="1",
            rpc="claim",
            caller=caller,
            content_hash="",
            answer=rendering.shown,
        )

    await commands._claim(world.ctx, repeated(), first, reviewer)
    await world.stub.DecideReview(
        deciding(first.id), metadata=world.officer("reviewer", "reviewer", person=reviewer.person_id)
    )

    with pytest.raises(RequestIdReused):
        await commands._claim(world.ctx, repeated(), second, reviewer)


async def test_an_undecided_case_is_released_to_the_next_reviewer(world, principal, agent):
    """It keeps its place in the queue; a late decision of the first reviewer is refused."""
    case = await world.claimed(principal, agent, "slow")

    await timers.release_lying(world.ctx, timedelta(hours=1))
    assert await refusal(claim(world, world.reviewer("next"))) == ("NOT_FOUND", "QUEUE_EMPTY")
    await timers.release_lying(world.ctx, timedelta())
    received = await claim(world, world.reviewer("next"))

    assert received.number == case.number
    late = world.stub.DecideReview(deciding(case.power_of_attorney_id), metadata=world.reviewer("slow"))
    assert await refusal(late) == ("PERMISSION_DENIED", "NOT_YOUR_CASE")


async def test_waiting_cases_are_counted_by_age(world, principal, agent):
    """The metric shows operators the age of the queue."""
    for _ in range(2):
        await world.paid(principal, agent)

    await timers.count_waiting(world.ctx)

    assert waiting(world) == {"under_1h": 2, "under_4h": 0, "under_1d": 0, "under_3d": 0, "older": 0}


async def test_every_waiting_case_is_counted_in_its_class(world):
    """The number has no limit, and no document is decoded: these are no complete cases."""
    hours = {-0.01: 1, 0: 1, 0.99: 1100, 1.01: 1, 3.9: 2, 4.1: 3, 23: 4, 25: 5, 71: 6, 73: 7, 1000: 8}
    now = world.ctx.clock()
    await world.store.powers_of_attorney.collection.insert_many(
        {
            "_id": f"{age}/{number}",
            "state": {
                "number": f"{age}/{number}",
                "state": "awaiting_review",
                "queue_time": now - timedelta(hours=age),
            },
        }
        for age, count in hours.items()
        for number in range(count)
    )

    world.ctx = replace(world.ctx, clock=lambda: now)
    await timers.count_waiting(world.ctx)

    assert waiting(world) == {"under_1h": 1102, "under_4h": 3, "under_1d": 7, "under_3d": 11, "older": 15}


async def test_the_waiting_cases_of_another_process_are_unknown(world, principal, agent):
    """Before the first count, and when this process counts no more; not 0, which would be an empty queue."""
    settings = SimpleNamespace(claim_hours=1, release_seconds=60)
    timer = next(each for each in timers.table(world.ctx, settings) if each.name == "count_waiting_cases")
    assert all(math.isnan(number) for number in waiting(world).values())
    await world.paid(principal, agent)
    await timer.handler()
    assert waiting(world)["under_1h"] == 1

    timer.invalidate()

    assert all(math.isnan(number) for number in waiting(world).values())


def waiting(world):
    metric = world.ctx.metrics._waiting
    return {age: metric.labels(age)._value.get() for age in AGES}
