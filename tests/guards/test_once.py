"""Every changing RPC is idempotent: repeated calls have one effect. The RPCs are read from the protos."""

from dataclasses import dataclass
from typing import Any

import pytest

from .probes import settled
from .scenarios import SCENARIOS, Scenario
from .wire import Refusal, changing, rpcs

CONCURRENT_CALLS = 20
# Their requests name only a document beside the request id; another document may be refused for its own reasons.
WITHOUT_OTHER_CONTENT = {"ClaimNextReview", "CollectPowerOfAttorney", "ReplayParked", "DiscardParked"}


@dataclass
class CalledScenario:
    """A scenario whose RPC was called once, and the answer."""

    rpc: str
    scenario: Scenario
    first: Any


@pytest.fixture(scope="module")
def executed():
    """The executed scenarios, for a final check of all of them."""
    return []


@pytest.fixture(scope="module", params=changing(), ids=lambda name: name.rpartition(".")[2])
def called(request, wire, actors, executed):
    """The RPC called once, after its effect has occurred."""
    scenario = SCENARIOS[request.param](actors)
    assert scenario.effect() != scenario.once, "the effect occurred before the call"

    first = wire.call(request.param, scenario.request, scenario.token, program=scenario.program)

    assert not isinstance(first, Refusal), first
    assert settled(scenario.effect, scenario.once) == scenario.once
    executed.append(scenario)
    return CalledScenario(request.param, scenario, first)


def test_every_changing_rpc_has_a_scenario():
    """A new RPC without a scenario fails here."""
    assert set(changing()) == set(SCENARIOS)


def test_the_exceptions_without_other_content_exist():
    """A renamed or removed RPC must leave the list of exceptions."""
    names = {rpcs()[rpc].name for rpc in changing()}

    assert names >= WITHOUT_OTHER_CONTENT


def test_a_repeated_call_returns_the_first_answer(called, wire):
    """The second answer is usable like the first, and there is no further effect."""
    scenario = called.scenario

    second = wire.call(called.rpc, scenario.request, scenario.token, program=scenario.program)

    assert_same_answer(scenario, [called.first, second])
    assert scenario.effect() == scenario.once


def test_other_content_with_the_same_request_id_is_refused(called, wire):
    """A request id belongs to one content; a request with other content has no effect."""
    scenario = called.scenario
    if scenario.other is None:
        assert rpcs()[called.rpc].name in WITHOUT_OTHER_CONTENT
        return
    other = scenario.other(called.first) if callable(scenario.other) else scenario.other

    answer = wire.call(called.rpc, other, scenario.token, program=scenario.program)

    assert isinstance(answer, Refusal), answer
    assert (answer.code, answer.reason) == ("ALREADY_EXISTS", "REQUEST_ID_REUSED")
    assert scenario.effect() == scenario.once


@pytest.mark.parametrize("rpc", changing(), ids=lambda name: name.rpartition(".")[2])
def test_20_concurrent_calls_have_one_effect(rpc, wire, actors, executed):
    """All calls receive the same answer."""
    scenario = SCENARIOS[rpc](actors)
    assert scenario.effect() != scenario.once, "the effect occurred before the call"

    answers = wire.call_concurrently(
        CONCURRENT_CALLS, rpc, scenario.request, scenario.token, program=scenario.program
    )

    assert_same_answer(scenario, answers)
    assert settled(scenario.effect, scenario.once) == scenario.once
    executed.append(scenario)


def test_no_second_effect_occurs_later(executed):
    """A delayed second effect would be visible by now."""
    assert executed

    for scenario in executed:
        assert scenario.effect() == scenario.once, scenario.request.DESCRIPTOR.name


def assert_same_answer(scenario: Scenario, answers: list[Any]) -> None:
    """Assert that all answers are the same and that each can be used."""
    refused = [answer for answer in answers if isinstance(answer, Refusal)]
    accepted = [answer for answer in answers if not isinstance(answer, Refusal)]
    assert {answer.reason for answer in refused} <= {scenario.repeat_reason} - {""}, refused
    assert accepted
    assert all(scenario.comparable(answer) == scenario.comparable(accepted[0]) for answer in accepted)
    for answer in accepted:
        scenario.verify_answer(answer)
