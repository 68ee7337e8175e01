"""Enrolment online and at a counter, by the API, on a real store and broker."""

import asyncio
import uuid
from dataclasses import replace
from typing import Any

import pytest
from diwan.identity.v1 import identity_pb2 as pb

pytestmark = [pytest.mark.real, pytest.mark.asyncio(loop_scope="session")]


def completion(enrolment_id: str, code: str) -> pb.CompleteEnrolmentRequest:
    return pb.CompleteEnrolmentRequest(request_id=str(uuid.uuid4()), enrolment_id=enrolment_id, code=code)


async def test_a_citizen_enrols_with_another_spelling(world: Any) -> None:
    """The four data match in another spelling, and the account has the registry's name."""
    person = await world.registered()

    typed = world.enrolment(person, first_name="اَحـــمد", mother_first_name=" فاطمه ")
    started = await world.call("StartEnrolment", typed)
    account = await world.call(
        "CompleteEnrolment", completion(started.enrolment_id, await world.phones.code(person.mobile))
    )

    assert account.assurance_level == pb.ASSURANCE_LEVEL_SUBSTANTIAL
    assert account.person_id == person.person_id
    assert account.full_name == person.full_name
    assert account.masked_mobile.endswith(person.mobile[-3:])
    assert person.mobile not in account.masked_mobile
    assert account.national_id == ""


async def test_unknown_people_get_the_same_answer_and_no_code(world: Any) -> None:
    """The answers have the same fields, form of id and expiry; no SMS is sent, and every code is wrong."""
    known, unknown = await world.registered(), world.stranger()

    answers = [await world.call("StartEnrolment", world.enrolment(person)) for person in (known, unknown)]

    assert {len(answer.enrolment_id) for answer in answers} == {36}
    assert len({answer.ByteSize() // 8 for answer in answers}) == 1
    assert abs(answers[0].expire_time.seconds - answers[1].expire_time.seconds) <= 5
    assert await world.phones.silent(unknown.mobile)
    code = await world.phones.code(known.mobile)
    refused = [
        await world.refused("CompleteEnrolment", completion(answer.enrolment_id, attempt))
        for answer, attempt in zip(answers, (other(code), code), strict=True)
    ]
    assert refused == [("INVALID_ARGUMENT", "CODE_WRONG")] * 2


def other(code: str) -> str:
    return f"{(int(code) + 1) % 1_000_000:06d}"


async def test_five_wrong_codes_lock_an_enrolment(world: Any) -> None:
    """Each refused attempt is counted; the sixth attempt is refused even with the right code."""
    person = await world.registered()
    started = await world.call("StartEnrolment", world.enrolment(person))
    code = await world.phones.code(person.mobile)

    refused = [
        await world.refused("CompleteEnrolment", completion(started.enrolment_id, other(code)))
        for _ in range(5)
    ]

    assert {reason for _, reason in refused} == {"CODE_WRONG"}
    right = completion(started.enrolment_id, code)
    assert await world.refused("CompleteEnrolment", right) == ("FAILED_PRECONDITION", "CODE_LOCKED")


async def test_a_wrong_code_repeated_with_its_request_id_counts_once(world: Any) -> None:
    """A caller may repeat a request after a broken connection."""
    person = await world.registered()
    started = await world.call("StartEnrolment", world.enrolment(person))
    code = await world.phones.code(person.mobile)
    attempt = completion(started.enrolment_id, other(code))

    refused = await asyncio.gather(*(world.refused("CompleteEnrolment", attempt) for _ in range(20)))

    assert set(refused) == {("INVALID_ARGUMENT", "CODE_WRONG")}
    stored = world.database["enrolments"].find_one({"_id": started.enrolment_id})
    assert stored["state"]["challenge"]["wrong_tries"] == 1
    assert await world.call("CompleteEnrolment", completion(started.enrolment_id, code))


async def test_a_code_expires_after_five_minutes(world: Any) -> None:
    """The refusal has its own reason."""
    person = await world.registered()
    started = await world.call("StartEnrolment", world.enrolment(person))
    code = await world.phones.code(person.mobile)

    world.pass_time(minutes=5)

    late = completion(started.enrolment_id, code)
    assert await world.refused("CompleteEnrolment", late) == ("FAILED_PRECONDITION", "CODE_EXPIRED")


async def test_one_code_a_minute_for_known_and_unknown(world: Any) -> None:
    """The second start within a minute is refused."""
    for person in (await world.registered(), world.stranger()):
        await world.call("StartEnrolment", world.enrolment(person))

        again = await world.refused("StartEnrolment", world.enrolment(person))

        assert again == ("RESOURCE_EXHAUSTED", "CODE_TOO_SOON")


async def test_five_codes_an_hour_for_known_and_unknown(world: Any) -> None:
    """The sixth start within an hour is refused."""
    people = [await world.registered(), world.stranger()]
    for _ in range(5):
        for person in people:
            await world.call("StartEnrolment", world.enrolment(person))
        world.pass_time(minutes=2)

    for person in people:
        sixth = await world.refused("StartEnrolment", world.enrolment(person))
        assert sixth == ("RESOURCE_EXHAUSTED", "TOO_MANY_STARTS")


async def test_codes_to_one_mobile_are_limited(world: Any) -> None:
    """The limit applies to the mobile as well as to the person."""
    first, second = await world.registered(), await world.registered()
    await world.call("StartEnrolment", world.enrolment(first))

    again = await world.refused("StartEnrolment", world.enrolment(second, mobile=first.mobile))

    assert again == ("RESOURCE_EXHAUSTED", "CODE_TOO_SOON")


async def test_a_repeated_start_has_one_effect(world: Any) -> None:
    """20 concurrent requests and a later one with the same id: one enrolment, one code, one answer."""
    person = await world.registered()
    typed = world.enrolment(person)

    answers = await asyncio.gather(*(world.call("StartEnrolment", typed) for _ in range(20)))
    answers.append(await world.call("StartEnrolment", typed))

    assert len({answer.SerializeToString() for answer in answers}) == 1
    await world.phones.code(person.mobile)
    assert await world.phones.silent(person.mobile)


async def test_a_request_id_with_other_content_is_refused(world: Any) -> None:
    """A request id belongs to one content."""
    person = await world.registered()
    typed = world.enrolment(person)
    await world.call("StartEnrolment", typed)

    typed.first_name = "محمود"

    again = await world.refused("StartEnrolment", typed)
    assert again == ("ALREADY_EXISTS", "REQUEST_ID_REUSED")


async def test_a_repeated_completion_has_one_effect(world: Any) -> None:
    """20 concurrent requests with the same id: one account, one event, one answer; another code is refused."""
    person = await world.registered()
    started = await world.call("StartEnrolment", world.enrolment(person))
    code = await world.phones.code(person.mobile)
    complete = completion(started.enrolment_id, code)

    answers = await asyncio.gather(*(world.call("CompleteEnrolment", complete) for _ in range(20)))

    assert len({answer.SerializeToString() for answer in answers}) == 1
    account = world.database["accounts"].find_one({"_id": answers[0].account_id})
    assert (account["version"], account["sequence"]) == (1, 1)
    complete.code = other(code)
    reused = await world.refused("CompleteEnrolment", complete)
    assert reused == ("ALREADY_EXISTS", "REQUEST_ID_REUSED")


async def test_a_code_is_used_once(world: Any) -> None:
    """A second request with the same code is refused."""
    person = await world.registered()
    started = await world.call("StartEnrolment", world.enrolment(person))
    code = await world.phones.code(person.mobile)
    await world.call("CompleteEnrolment", completion(started.enrolment_id, code))

    again = await world.refused("CompleteEnrolment", completion(started.enrolment_id, code))

    assert again == ("FAILED_PRECONDITION", "CODE_EXPIRED")


async def test_an_existing_account_is_revealed_only_after_the_code(world: Any) -> None:
    """The answer to the start does not reveal it; the code proves that the caller has the mobile."""
    person, _ = await world.enrolled()
    started = await world.call("StartEnrolment", world.enrolment(person))

    complete = completion(started.enrolment_id, await world.phones.code(person.mobile))

    assert await world.refused("CompleteEnrolment", complete) == ("ALREADY_EXISTS", "ALREADY_ENROLLED")


async def test_a_mobile_belongs_to_one_account(world: Any) -> None:
    """The rule applies online and at a counter."""
    first, _ = await world.enrolled()
    second = replace(await world.registered(), mobile=first.mobile)
    started = await world.call("StartEnrolment", world.enrolment(second))
    complete = completion(started.enrolment_id, await world.phones.code(first.mobile))

    online = await world.refused("CompleteEnrolment", complete)
    counter = await world.refused("EnrolAtCounter", world.card(second), world.officer("clerk"))

    assert online == counter == ("ALREADY_EXISTS", "MOBILE_TAKEN")


async def test_20_concurrent_clerks_enrol_one_person_once(world: Any) -> None:
    """Of the requests, with different ids, one succeeds and the others are refused."""
    person = await world.registered()

    async def enrol() -> str:
        try:
            await world.call("EnrolAtCounter", world.card(person), world.officer("clerk"))
        except Exception as refused:  # noqa: BLE001 -- counted below
            return str(getattr(refused, "reason", refused))
        return "done"

    outcomes = await asyncio.gather(*(enrol() for _ in range(20)))

    assert sorted(set(outcomes)) == ["ALREADY_ENROLLED", "done"]
    assert outcomes.count("done") == 1


async def test_eight_concurrent_enrolments_with_one_mobile_create_one_account(world: Any) -> None:
    """The others are refused."""
    people = [await world.registered() for _ in range(8)]

    async def enrol(person: Any) -> str:
        try:
            await world.call(
                "EnrolAtCounter", world.card(person, mobile=people[0].mobile), world.officer("clerk")
            )
        except Exception as refused:  # noqa: BLE001 -- counted below
            return str(getattr(refused, "reason", refused))
        return "done"

    outcomes = await asyncio.gather(*(enrol(person) for person in people))

    assert (outcomes.count("done"), outcomes.count("MOBILE_TAKEN")) == (1, 7)


async def test_a_repeated_enrolment_at_a_counter_has_one_effect(world: Any) -> None:
    """20 concurrent requests with the same id have one answer."""
    person, clerk = await world.registered(), world.officer("clerk")
    card = world.card(person)

    answers = await asyncio.gather(*(world.call("EnrolAtCounter", card, clerk) for _ in range(20)))

    assert len({answer.SerializeToString() for answer in answers}) == 1
    assert answers[0].assurance_level == pb.ASSURANCE_LEVEL_HIGH


@pytest.mark.parametrize(
    ("changed", "refused"),
    [
        ({"first_name": "محمود"}, ("FAILED_PRECONDITION", "PERSON_NOT_MATCHED")),
        ({"national_id": "29002300112345"}, ("INVALID_ARGUMENT", "NATIONAL_ID_INVALID")),
        ({"national_id": "29013300112345"}, ("INVALID_ARGUMENT", "VALIDATION")),
        ({"mobile": "+201312345678"}, ("INVALID_ARGUMENT", "VALIDATION")),
        ({"card_seen": False}, ("INVALID_ARGUMENT", "VALIDATION")),
        ({"request_id": "1"}, ("INVALID_ARGUMENT", "VALIDATION")),
        ({"first_name": ""}, ("INVALID_ARGUMENT", "VALIDATION")),
    ],
)
async def test_an_invalid_enrolment_at_a_counter_is_refused(
    world: Any, changed: dict[str, Any], refused: tuple[str, str]
) -> None:
    """Each row is an invalid input with its code and reason."""
    person = await world.registered()

    actual = await world.refused("EnrolAtCounter", world.card(person, **changed), world.officer("clerk"))

    assert actual == refused


async def test_only_a_clerk_enrols_and_not_themselves(world: Any) -> None:
    """Without a token, as a citizen, as a reviewer, and with the clerk's own card it is refused."""
    person = await world.registered()
    card = world.card(person)

    refusals = [
        await world.refused("EnrolAtCounter", card, token)
        for token in (
            "",
            world.citizen(str(uuid.uuid4())),
            world.officer("reviewer"),
            world.officer("clerk", person=person.person_id),
        )
    ]

    assert refusals == [
        ("UNAUTHENTICATED", "TOKEN_MISSING"),
        ("PERMISSION_DENIED", "ACCESS_DENIED"),
        ("PERMISSION_DENIED", "ACCESS_DENIED"),
        ("PERMISSION_DENIED", "OWN_CASE"),
    ]


async def test_an_unknown_enrolment_is_not_found(world: Any) -> None:
    """The id is not one that the service issued."""
    refusal = await world.refused("CompleteEnrolment", completion(str(uuid.uuid4()), "123456"))

    assert refusal == ("NOT_FOUND", "ENROLMENT_NOT_FOUND")


@pytest.mark.parametrize(
    ("channel", "reason"), [("post_office", "CHANNEL_NOT_ALLOWED"), ("elsewhere", "CHANNEL_UNKNOWN")]
)
async def test_a_citizen_enrols_in_self_service_channels_only(world: Any, channel: str, reason: str) -> None:
    """At a counter a clerk enrols the citizen."""
    refusal = await world.refused("StartEnrolment", world.enrolment(world.stranger(), channel=channel))

    assert refusal == ("INVALID_ARGUMENT", reason)
