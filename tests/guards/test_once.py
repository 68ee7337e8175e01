"""Every changing RPC happens once, however often it is asked for; which there are is read from the protos."""

from dataclasses import dataclass
from typing import Any

import pytest

from .eyes import settled
from .situations import SITUATIONS, Situation
from .wire import Refusal, changing, rpcs

AT_ONCE = 20
# Their request says nothing beside its id but which document: another one may refuse for reasons of its own.
WITHOUT_OTHER_CONTENT = {"ClaimNextReview", "CollectPowerOfAttorney", "ReplayParked", "DiscardParked"}


@dataclass
class Asked:
    """A situation in which the RPC was asked once."""

    rpc: str
    situation: Situation
    first: Any


@pytest.fixture(scope="module")
def done():
    """Every situation that a test was through with, for a last look at all of them."""
    return []


@pytest.fixture(scope="module", params=changing(), ids=lambda name: name.rpartition(".")[2])
def asked(request, wire, cast, done):
    """The RPC asked once, with its effect there."""
    situation = SITUATIONS[request.param](cast)
    assert situation.effect() != situation.once, "the effect is there before the call"

    first = wire.ask(request.param, situation.request, situation.token, program=situation.program)

    assert not isinstance(first, Refusal), first
    assert settled(situation.effect, situation.once) == situation.once
    done.append(situation)
    return Asked(request.param, situation, first)


def test_every_changing_rpc_has_a_situation():
    """An RPC that is added without one fails here."""
    assert set(changing()) == set(SITUATIONS)


def test_what_has_no_other_content_is_known():
    """An RPC without a second content to try is an exception that somebody made on purpose."""
    named = {rpcs()[rpc].name for rpc in changing()}

    assert named >= WITHOUT_OTHER_CONTENT


def test_asked_twice_it_gives_the_first_answer(asked, wire):
    """The second answer is the first, good for what the first was, and nothing more has happened."""
    situation = asked.situation

    second = wire.ask(asked.rpc, situation.request, situation.token, program=situation.program)

    assert_alike(situation, [asked.first, second])
    assert situation.effect() == situation.once


def test_other_content_under_the_same_id_is_refused(asked, wire):
    """A request id stands for one content; a request with another has no effect at all."""
    situation = asked.situation
    if situation.other is None:
        assert rpcs()[asked.rpc].name in WITHOUT_OTHER_CONTENT
        return
    other = situation.other(asked.first) if callable(situation.other) else situation.other

    answer = wire.ask(asked.rpc, other, situation.token, program=situation.program)

    assert isinstance(answer, Refusal), answer
    assert (answer.code, answer.reason) == ("ALREADY_EXISTS", "REQUEST_ID_REUSED")
    assert situation.effect() == situation.once


@pytest.mark.parametrize("rpc", changing(), ids=lambda name: name.rpartition(".")[2])
def test_asked_20_times_at_once_it_has_one_effect(rpc, wire, cast, done):
    """Everyone gets the one answer, and it has happened once."""
    situation = SITUATIONS[rpc](cast)
    assert situation.effect() != situation.once, "the effect is there before the call"

    answers = wire.ask_at_once(AT_ONCE, rpc, situation.request, situation.token, program=situation.program)

    assert_alike(situation, answers)
    assert settled(situation.effect, situation.once) == situation.once
    done.append(situation)


def test_nothing_came_late(done):
    """A second effect that took its time would have shown by now."""
    assert done

    for situation in done:
        assert situation.effect() == situation.once, situation.request.DESCRIPTOR.name


def assert_alike(situation: Situation, answers: list[Any]) -> None:
    """All answers are one; each is good for what it was given for."""
    refused = [answer for answer in answers if isinstance(answer, Refusal)]
    given = [answer for answer in answers if not isinstance(answer, Refusal)]
    assert {answer.reason for answer in refused} <= {situation.over} - {""}, refused
    assert given
    assert all(situation.alike(answer) == situation.alike(given[0]) for answer in given)
    for answer in given:
        situation.works(answer)
