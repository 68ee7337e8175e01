"""Confirmations, services' tokens, reads of accounts, the extract, and what must never be told."""

import asyncio
import hashlib
import uuid
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from chassis.errors import ConfirmationInvalid
from chassis.tokens import generate_key, key_set, sign_assertion, verify_access, verify_confirmation
from diwan.identity.v1 import identity_pb2 as pb

pytestmark = [pytest.mark.real, pytest.mark.asyncio(loop_scope="session")]

PURPOSE = "notary.power_of_attorney.submit"


def digest(text: str = "توكيل") -> str:
    return hashlib.sha256(f"{text}{uuid.uuid4()}".encode()).hexdigest()


def start(content: str, purpose: str = PURPOSE) -> pb.StartConfirmationRequest:
    return pb.StartConfirmationRequest(request_id=str(uuid.uuid4()), purpose=purpose, digest=content)


def complete(confirmation_id: str, code: str) -> pb.CompleteConfirmationRequest:
    return pb.CompleteConfirmationRequest(
        request_id=str(uuid.uuid4()), confirmation_id=confirmation_id, code=code
    )


def other(code: str) -> str:
    return f"{(int(code) + 1) % 1_000_000:06d}"


async def test_a_confirmation_is_of_this_content_purpose_and_account(world: Any) -> None:
    """The statement passes for exactly what was confirmed, and for nothing beside it."""
    person, account = await world.enrolled()
    token, content = world.citizen(account.account_id), digest()
    started = await world.call("StartConfirmation", start(content), token)

    done = await world.call(
        "CompleteConfirmation",
        complete(started.confirmation_id, await world.phones.code(person.mobile)),
        token,
    )

    keys, now = key_set(world.signing), world.clock()
    right = {"audience": "notary", "purpose": PURPOSE, "digest": content, "account": account.account_id}
    assert verify_confirmation(done.confirmation, keys, now=now, **right).jti == started.confirmation_id
    for changed in (
        {"audience": "payments"},
        {"purpose": "notary.x"},
        {"digest": digest()},
        {"account": "a"},
    ):
        with pytest.raises(ConfirmationInvalid):
            verify_confirmation(done.confirmation, keys, now=now, **{**right, **changed})


async def test_a_confirmation_bears_repetition_and_one_code_serves_once(world: Any) -> None:
    """Twenty at once with one id: one jti; another request with the code: refused."""
    person, account = await world.enrolled()
    token = world.citizen(account.account_id)
    asked = start(digest())
    answers = await asyncio.gather(*(world.call("StartConfirmation", asked, token) for _ in range(20)))
    assert len({answer.SerializeToString() for answer in answers}) == 1
    code = await world.phones.code(person.mobile)
    assert await world.phones.silent(person.mobile)
    tried = complete(answers[0].confirmation_id, code)

    done = await asyncio.gather(*(world.call("CompleteConfirmation", tried, token) for _ in range(20)))

    assert len({answer.expire_time.seconds for answer in done}) == 1
    assert len({answer.confirmation.split(".")[1] for answer in done}) == 1
    again = complete(answers[0].confirmation_id, code)
    assert await world.refused("CompleteConfirmation", again, token) == (
        "FAILED_PRECONDITION",
        "CODE_EXPIRED",
    )
    asked.digest = digest()
    reused = await world.refused("StartConfirmation", asked, token)
    assert reused == ("ALREADY_EXISTS", "REQUEST_ID_REUSED")


async def test_five_wrong_codes_lock_a_confirmation(world: Any) -> None:
    """Counted as they are refused."""
    person, account = await world.enrolled()
    token = world.citizen(account.account_id)
    started = await world.call("StartConfirmation", start(digest()), token)
    code = await world.phones.code(person.mobile)

    told = [
        await world.refused("CompleteConfirmation", complete(started.confirmation_id, other(code)), token)
        for _ in range(5)
    ]

    assert set(told) == {("INVALID_ARGUMENT", "CODE_WRONG")}
    right = complete(started.confirmation_id, code)
    assert await world.refused("CompleteConfirmation", right, token) == ("FAILED_PRECONDITION", "CODE_LOCKED")


async def test_somebody_elses_confirmation_is_not_found(world: Any) -> None:
    """Not even with the right code, and without a try being counted."""
    person, account = await world.enrolled()
    started = await world.call("StartConfirmation", start(digest()), world.citizen(account.account_id))
    code = await world.phones.code(person.mobile)
    tried = complete(started.confirmation_id, code)

    told = await world.refused("CompleteConfirmation", tried, world.citizen(str(uuid.uuid4())))

    assert told == ("NOT_FOUND", "CONFIRMATION_NOT_FOUND")
    assert await world.call("CompleteConfirmation", tried, world.citizen(account.account_id))


async def test_the_same_content_is_sent_once_a_minute_another_at_once(world: Any) -> None:
    """A changed draft does not wait for the old one's minute."""
    _, account = await world.enrolled()
    token, content = world.citizen(account.account_id), digest()
    await world.call("StartConfirmation", start(content), token)

    again = await world.refused("StartConfirmation", start(content), token)

    assert again == ("RESOURCE_EXHAUSTED", "CODE_TOO_SOON")
    assert await world.call("StartConfirmation", start(digest()), token)


async def test_an_account_confirms_twenty_times_an_hour(world: Any) -> None:
    """Then it waits."""
    _, account = await world.enrolled()
    token = world.citizen(account.account_id)
    for _ in range(20):
        await world.call("StartConfirmation", start(digest()), token)

    more = await world.refused("StartConfirmation", start(digest()), token)

    assert more == ("RESOURCE_EXHAUSTED", "TOO_MANY_STARTS")


async def test_wrong_confirmations(world: Any) -> None:
    """A purpose of no service, a digest that is none, a caller without account, an officer."""
    _, account = await world.enrolled()
    token = world.citizen(account.account_id)

    told = [
        await world.refused("StartConfirmation", start(digest(), "weather.forecast"), token),
        await world.refused("StartConfirmation", start("abc"), token),
        await world.refused("StartConfirmation", start(digest()), world.citizen(str(uuid.uuid4()))),
        await world.refused("StartConfirmation", start(digest()), world.officer("clerk")),
        await world.refused("CompleteConfirmation", complete(str(uuid.uuid4()), "123456"), token),
    ]

    assert told == [
        ("INVALID_ARGUMENT", "AUDIENCE_UNKNOWN"),
        ("INVALID_ARGUMENT", "VALIDATION"),
        ("NOT_FOUND", "ACCOUNT_NOT_FOUND"),
        ("PERMISSION_DENIED", "ACCESS_DENIED"),
        ("NOT_FOUND", "CONFIRMATION_NOT_FOUND"),
    ]


def exchange(assertion: str, audience: str = "payments", acting_for: str = "") -> pb.IssueServiceTokenRequest:
    return pb.IssueServiceTokenRequest(client_assertion=assertion, audience=audience, acting_for=acting_for)


def assertion(world: Any, client: str = "notary", **other: Any) -> str:
    said = {"key": world.clients[client], "now": world.clock(), "jti": str(uuid.uuid4()), **other}
    return sign_assertion(said.pop("key"), client, said.pop("now"), said.pop("jti"), **said)


async def test_a_service_gets_a_token_for_one_audience(world: Any) -> None:
    """With its own key; for itself, or for a citizen in whose name it acts."""
    _, account = await world.enrolled()

    own = await world.call("IssueServiceToken", exchange(assertion(world)))
    acting = await world.call("IssueServiceToken", exchange(assertion(world), acting_for=account.account_id))

    for token, acting_for in ((own, ""), (acting, account.account_id)):
        caller = verify_access(token.access_token, key_set(world.signing), "payments", world.clock())
        assert (caller.kind, caller.id, caller.acting_for) == ("service", "notary", acting_for)


async def test_an_assertion_serves_once(world: Any) -> None:
    """Twenty at once: one token."""
    said = assertion(world)

    async def issue() -> str:
        try:
            await world.call("IssueServiceToken", exchange(said))
        except Exception as refused:  # noqa: BLE001 -- counted below
            return str(getattr(refused, "reason", refused))
        return "done"

    outcomes = await asyncio.gather(*(issue() for _ in range(20)))

    assert (outcomes.count("done"), outcomes.count("ASSERTION_USED")) == (1, 19)


async def test_forged_assertions_are_refused(world: Any) -> None:
    """Another's key, another's name, another audience, too old, from tomorrow, nobody's, nonsense."""
    later = world.clock() + timedelta(minutes=5)
    earlier = world.clock() - timedelta(minutes=5)
    forged = [
        assertion(world, key=generate_key()),
        sign_assertion(world.clients["payments"], "notary", world.clock(), "j1"),
        assertion(world, audience="diwan.payments"),
        assertion(world, now=earlier),
        assertion(world, now=later),
        sign_assertion(generate_key(), "stranger", world.clock(), "j2"),
        sign_assertion(generate_key(), "../notary", world.clock(), "j3"),
        "x" * 40,
        "a.b.c" + "d" * 30,
    ]

    told = [await world.refused("IssueServiceToken", exchange(said)) for said in forged]

    assert set(told) == {("UNAUTHENTICATED", "ASSERTION_INVALID")}


async def test_wrong_exchanges(world: Any) -> None:
    """An unknown service, a citizen who is not there, a client that may not act."""
    _, account = await world.enrolled()

    told = [
        await world.refused("IssueServiceToken", exchange(assertion(world), "weather")),
        await world.refused("IssueServiceToken", exchange(assertion(world), acting_for=str(uuid.uuid4()))),
        *[
            await world.refused(
                "IssueServiceToken", exchange(assertion(world, client), acting_for=account.account_id)
            )
            for client in ("operator", "payments", "notification")
        ],
    ]

    assert told == [
        ("INVALID_ARGUMENT", "AUDIENCE_UNKNOWN"),
        ("NOT_FOUND", "ACCOUNT_NOT_FOUND"),
        *[("PERMISSION_DENIED", "ACTING_NOT_ALLOWED")] * 3,
    ]


async def test_a_citizen_sees_their_own_account_alone(world: Any) -> None:
    """By id; another's, or by national ID, is refused whether or not it is there."""
    person, account = await world.enrolled()
    token = world.citizen(account.account_id)

    own = await world.call("GetAccount", pb.GetAccountRequest(account_id=account.account_id), token)
    told = [
        await world.refused("GetAccount", pb.GetAccountRequest(account_id=str(uuid.uuid4())), token),
        await world.refused("GetAccount", pb.GetAccountRequest(national_id=person.national_id), token),
    ]

    assert (own.full_name, own.national_id) == (person.full_name, "")
    assert set(told) == {("PERMISSION_DENIED", "NOT_OWN_ACCOUNT")}


async def test_each_read_by_a_service_is_on_record(world: Any) -> None:
    """Who, for whom, whose data, why, when; by id and by national ID; also where nobody was found."""
    person, account = await world.enrolled()
    stranger, token = world.stranger(), world.service("notary", acting_for="acc")
    log = world.database["access_log"]
    before = log.count_documents({})

    for subject in ({"account_id": account.account_id}, {"national_id": person.national_id}):
        seen = await world.call(
            "GetAccount", pb.GetAccountRequest(purpose="agent of a case", **subject), token
        )
        assert (seen.account_id, seen.national_id) == (account.account_id, person.national_id)
    unknown = pb.GetAccountRequest(purpose="agent of a case", national_id=stranger.national_id)
    assert await world.refused("GetAccount", unknown, token) == ("NOT_FOUND", "ACCOUNT_NOT_FOUND")

    kept = [record["state"] for record in log.find({"state.subject_ids": account.account_id})]
    assert log.count_documents({}) == before + 3
    assert [
        (read["caller_kind"], read["caller_id"], read["acting_for"], read["purpose"]) for read in kept
    ] == [("service", "notary", "acc", "agent of a case")] * 2
    assert {read["rpc"] for read in kept} == {"diwan.identity.v1.IdentityService.GetAccount"}
    assert all(read["subject_ids"] == [account.account_id] for read in kept)
    assert person.national_id not in str(kept)


async def test_a_service_finds_a_person_by_national_id_and_first_name(world: Any) -> None:
    """In any usual spelling; another name is told the same as a number that nobody has, and is on record."""
    person, account = await world.enrolled()
    stranger, token = world.stranger(), world.service("notary", acting_for="acc")

    def asked(national_id: str, first_name: str) -> pb.GetAccountRequest:
        return pb.GetAccountRequest(purpose="agent", national_id=national_id, first_name=first_name)

    found = await world.call("GetAccount", asked(person.national_id, "احمد"), token)
    told = [
        await world.refusal("GetAccount", asked(person.national_id, "محمود"), token),
        await world.refusal("GetAccount", asked(stranger.national_id, "محمود"), token),
    ]

    assert found.account_id == account.account_id
    assert (told[0].code, told[0].reason) == ("NOT_FOUND", "ACCOUNT_NOT_FOUND")
    assert str(told[0]) == str(told[1])
    assert world.database["access_log"].count_documents({"state.subject_ids": account.account_id}) == 2


async def test_a_read_without_a_purpose_is_refused(world: Any) -> None:
    """And services that need no accounts see none."""
    _, account = await world.enrolled()
    asked = pb.GetAccountRequest(account_id=account.account_id)

    assert await world.refused("GetAccount", asked, world.service("notary")) == (
        "INVALID_ARGUMENT",
        "PURPOSE_REQUIRED",
    )
    assert await world.refused("GetAccount", asked, world.service("payments")) == (
        "PERMISSION_DENIED",
        "ACCESS_DENIED",
    )


async def test_the_registry_may_say_a_thing_twice_and_correct_it(world: Any) -> None:
    """One person, with the latest names."""
    person = await world.registered()
    event_id = world.publish(person)
    world.publish(person, event_id=event_id)
    corrected = replace(person, full_name="أحمد محمود عبد الله السيد")

    world.publish(corrected)

    await world.until(lambda: world.person(person)["state"]["full_name"] == corrected.full_name)
    assert world.database["persons"].count_documents({"state.person_id": person.person_id}) == 1


async def test_an_older_record_tried_again_does_not_undo_a_newer_one(world: Any) -> None:
    """What the registry said before is passed over when it comes after what it says now."""
    person = await world.registered()
    version = world.person(person)["version"]

    world.publish(replace(person, full_name="اسم سابق"), ago=timedelta(hours=1))

    await world.until(lambda: world.person(person)["version"] > version)
    assert world.person(person)["state"]["full_name"] == person.full_name


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ({"national_id": "29002300112345"}, "NATIONAL_ID_INVALID"),
        ({"first_name": "..."}, "NAME_INVALID"),
        ({"governorate": "99"}, "RECORD_CONFLICT"),
        ({"person_id": str(uuid.uuid4())}, "RECORD_CONFLICT"),
    ],
)
async def test_a_wrong_record_is_parked_with_its_reason(
    world: Any, wrong: dict[str, str], reason: str
) -> None:
    """It holds up nobody, and can be mended and replayed."""
    person = await world.registered()

    event_id = world.publish(replace(person, **wrong))

    kept = await world.parked(event_id)
    assert reason in kept
    assert person.national_id not in kept
    await world.registered()


async def test_a_person_has_one_national_id(world: Any) -> None:
    """Another number for the same person is parked."""
    person = await world.registered()

    event_id = world.publish(replace(world.stranger(), person_id=person.person_id))

    assert "RECORD_CONFLICT" in await world.parked(event_id)
