"""Every changing RPC happens once, however often it is asked for; which there are is read from the protos."""

from dataclasses import dataclass
from typing import Any

import pytest

from .probes import settled
from .scenarios import SCENARIOS, Scenario
from .wire import Refusal, changing, rpcs

AT_ONCE = 20
# Their request says nothing beside its id but which document: another one may refuse for reasons of its own.
WITHOUT_OTHER_CONTENT = {"ClaimNextReview", "CollectPowerOfAttorney", "ReplayParked", "DiscardParked"}


@dataclass
class Asked:
    """A scenario in which the RPC was asked once."""

    rpc: str
    scenario: Scenario
    first: Any


@pytest.fixture(scope="module")
def done():
    """Every scenario that a test was through with, for a last look at all of them."""
    return []


@pytest.fixture(scope="module", params=changing(), ids=lambda name: name.rpartition(".")[2])
def asked(request, wire, actors, done):
    """The RPC asked once, with its effect there."""
    scenario = SCENARIOS[request.param](actors)
    assert scenario.effect() != scenario.once, "the effect is there before the call"

    first = wire.ask(request.param, scenario.request, scenario.token, program=scenario.program)

    assert not isinstance(first, Refusal), first
    assert settled(scenario.effect, scenario.once) == scenario.once
    done.append(scenario)
    return Asked(request.param, scenario, first)


def test_every_changing_rpc_has_a_situation():
    """An RPC that is added without one fails here."""
    assert set(changing()) == set(SCENARIOS)


def test_what_has_no_other_content_is_known():
    """An RPC without a second content to try is an exception that somebody made on purpose."""
    named = {rpcs()[rpc].name for rpc in changing()}

    assert named >= WITHOUT_OTHER_CONTENT


def test_asked_twice_it_gives_the_first_answer(asked, wire):
    """The second answer is the first, good for what the first was, and nothing more has happened."""
    scenario = asked.scenario

    second = wire.ask(asked.rpc, scenario.request, scenario.token, program=scenario.program)

    assert_alike(scenario, [asked.first, second])
    assert scenario.effect() == scenario.once


def test_other_content_under_the_same_id_is_refused(asked, wire):
    """A request id stands for one content; a request with another has no effect at all."""
    scenario = asked.scenario
    if scenario.other is None:
        assert rpcs()[asked.rpc].name in WITHOUT_OTHER_CONTENT
        return
    other = scenario.other(asked.first) if callable(scenario.other) else scenario.other

    answer = wire.ask(asked.rpc, other, scenario.token, program=scenario.program)

    assert isinstance(answer, Refusal), answer
    assert (answer.code, answer.reason) == ("ALREADY_EXISTS", "REQUEST_ID_REUSED")
    assert scenario.effect() == scenario.once


@pytest.mark.parametrize("rpc", changing(), ids=lambda name: name.rpartition(".")[2])
def test_asked_20_times_at_once_it_has_one_effect(rpc, wire, actors, done):
    """Everyone gets the one answer, and it has happened once."""
    scenario = SCENARIOS[rpc](actors)
    assert scenario.effect() != scenario.once, "the effect is there before the call"

    answers = wire.ask_at_once(AT_ONCE, rpc, scenario.request, scenario.token, program=scenario.program)

    assert_alike(scenario, answers)
    assert settled(scenario.effect, scenario.once) == scenario.once
    done.append(scenario)


def test_nothing_came_late(done):
    """A second effect that took its time would have shown by now."""
    assert done

    for scenario in done:
        assert scenario.effect() == scenario.once, scenario.request.DESCRIPTOR.name


def assert_alike(scenario: Scenario, answers: list[Any]) -> None:
    """All answers are one; each is good for what it was given for."""
    refused = [answer for answer in answers if isinstance(answer, Refusal)]
    given = [answer for answer in answers if not isinstance(answer, Refusal)]
    assert {answer.reason for answer in refused} <= {scenario.over} - {""}, refused
    assert given
    assert all(scenario.alike(answer) == scenario.alike(given[0]) for answer in given)
    for answer in given:
        scenario.works(answer)
