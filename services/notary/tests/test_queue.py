"""The queue of reviews: who gets which case."""

import asyncio
from datetime import timedelta
from uuid import uuid4

import grpc
import pytest
from chassis.caller import Caller, Kind
from chassis.commands import CommandRequest
from chassis.errors import RequestIdReused
from diwan.notary.v1 import notary_pb2 as pb
from notary import commands, rendering, timers
from notary.model.power_of_attorney import Reviewer

from .world import deciding, refusal, uid

pytestmark = pytest.mark.real


async def claim(world, metadata):
    return await world.stub.ClaimNextReview(
        pb.ClaimNextReviewRequest(request_id=str(uuid4())), metadata=metadata
    )


async def test_the_case_that_waited_longest_comes_first(world, principal, agent):
    """One after another, in the order in which they were paid."""
    paid = [(await world.paid(principal, agent)).number for _ in range(3)]

    claimed = [(await claim(world, world.reviewer(f"reviewer-{n}"))).number for n in range(3)]

    assert claimed == paid


async def test_an_empty_queue_says_so(world):
    """There is nothing to review."""
    assert await refusal(claim(world, world.reviewer())) == ("NOT_FOUND", "QUEUE_EMPTY")


async def test_an_open_case_is_decided_before_the_next(world, principal, agent):
    """Nobody collects cases."""
    for _ in range(2):
        await world.paid(principal, agent)
    case = await claim(world, world.reviewer())

    assert await refusal(claim(world, world.reviewer())) == ("FAILED_PRECONDITION", "CASE_ALREADY_CLAIMED")
    await world.stub.DecideReview(deciding(case.power_of_attorney_id), metadata=world.reviewer())
    assert (await claim(world, world.reviewer())).number != case.number


@pytest.mark.parametrize("party", ["principal", "agent"])
async def test_a_party_never_gets_their_own_case(world, principal, agent, party):
    """The queue passes it over and gives the next; another reviewer gets it."""
    own = await world.paid(principal, agent)
    third, fourth = world.person(), world.person()
    other = await world.paid(third, fourth)
    person = {"principal": principal, "agent": agent}[party].id

    given = await claim(world, world.reviewer("party", person=person))

    assert given.number == other.number
    assert (await claim(world, world.reviewer("apart"))).number == own.number


async def test_a_party_sees_an_empty_queue_when_only_their_own_waits(world, principal, agent):
    """It is as if it were not there."""
    await world.paid(principal, agent)

    asked = claim(world, world.reviewer("party", person=agent.id))

    assert await refusal(asked) == ("NOT_FOUND", "QUEUE_EMPTY")


async def test_an_officer_whose_person_is_unknown_gets_no_case(world, principal, agent):
    """Nobody could tell whether they are party to it."""
    await world.paid(principal, agent)

    asked = claim(world, world.reviewer("nobody", person=""))

    assert await refusal(asked) == ("PERMISSION_DENIED", "PARTY_TO_CASE")


async def test_the_rule_holds_again_at_the_decision(world, principal, agent):
    """An officer whose account is tied to a party's person after the claim decides nothing."""
    case = await world.claimed(principal, agent)

    asked = world.stub.DecideReview(
        deciding(case.power_of_attorney_id), metadata=world.reviewer(person=agent.id)
    )

    assert await refusal(asked) == ("PERMISSION_DENIED", "PARTY_TO_CASE")


async def test_20_reviewers_at_once_share_10_cases(world, principal, agent):
    """Each case goes to one reviewer; the other ten are told that the queue is empty."""
    paid = {(await world.paid(principal, agent)).number for _ in range(10)}

    answers = await asyncio.gather(
        *(claim(world, world.reviewer(f"reviewer-{n}")) for n in range(20)), return_exceptions=True
    )

    given = [answer.number for answer in answers if not isinstance(answer, Exception)]
    refused = [answer for answer in answers if isinstance(answer, grpc.aio.AioRpcError)]
    assert sorted(given) == sorted(paid)
    assert len(refused) == 10
    assert {error.code().name for error in refused} == {"NOT_FOUND"}


async def test_one_reviewer_claiming_on_20_screens_gets_one_case(world, principal, agent):
    """Different requests of one reviewer, at once."""
    for _ in range(5):
        await world.paid(principal, agent)

    answers = await asyncio.gather(
        *(claim(world, world.reviewer()) for _ in range(20)), return_exceptions=True
    )

    given = [answer for answer in answers if not isinstance(answer, Exception)]
    assert len(given) == 1
    held = await world.store.powers_of_attorney.collection.count_documents({"state.state": "in_review"})
    assert held == 1


async def test_one_call_never_claims_two_cases(world, principal, agent):
    """Not even when a late copy of the call has not seen that the first case is claimed and decided."""
    for _ in range(2):
        await world.paid(principal, agent)
    first, second = await world.store.waiting(2)
    reviewer = Reviewer(uid("reviewer"), uid("person"))
    caller = Caller(kind=Kind.OFFICER, id=reviewer.id, person=reviewer.person_id)

    def asked():
        return CommandRequest(
            id=CommandRequest.identify(caller, "claim", "1"),
            now=world.ctx.clock(),
            request_id="1",
            rpc="claim",
            caller=caller,
            content_hash="",
            answer=rendering.shown,
        )

    await commands._claim(world.ctx, asked(), first, reviewer)
    await world.stub.DecideReview(
        deciding(first.id), metadata=world.officer("reviewer", "reviewer", person=reviewer.person_id)
    )

    with pytest.raises(RequestIdReused):
        await commands._claim(world.ctx, asked(), second, reviewer)


async def test_a_case_left_lying_goes_to_the_next_reviewer(world, principal, agent):
    """After the hours of the setting, at its old place; the slow reviewer's decision comes too late."""
    case = await world.claimed(principal, agent, "slow")

    await timers.release_lying(world.ctx, timedelta(hours=1))
    assert await refusal(claim(world, world.reviewer("next"))) == ("NOT_FOUND", "QUEUE_EMPTY")
    await timers.release_lying(world.ctx, timedelta())
    given = await claim(world, world.reviewer("next"))

    assert given.number == case.number
    late = world.stub.DecideReview(deciding(case.power_of_attorney_id), metadata=world.reviewer("slow"))
    assert await refusal(late) == ("PERMISSION_DENIED", "NOT_YOUR_CASE")


async def test_waiting_cases_are_counted_by_age(world, principal, agent):
    """What operators see of the queue."""
    for _ in range(2):
        await world.paid(principal, agent)

    await timers.count_waiting(world.ctx)

    gauge = world.ctx.metrics._waiting
    assert gauge.labels("under_1h")._value.get() == 2
    assert gauge.labels("older")._value.get() == 0
