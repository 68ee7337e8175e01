"""Confirmations, tokens of services, reads of accounts, and the registry's records."""

import asyncio
import hashlib
import json
import uuid
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from chassis.errors import ConfirmationInvalid
from chassis.tokens import generate_key, key_set, sign_assertion, verify_access, verify_confirmation
from diwan.identity.v1 import identity_pb2 as pb
from joserfc import jwt
from joserfc.jwk import ECKey

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


async def test_a_confirmation_is_valid_for_one_content_purpose_and_account(world: Any) -> None:
    """The signed statement is refused with any other value."""
    person, account = await world.enrolled()
    token, content = world.citizen(account.account_id), digest()
    started = await world.call("StartConfirmation", start(content), token)

    completed = await world.call(
        "CompleteConfirmation",
        complete(started.confirmation_id, await world.phones.code(person.mobile)),
        token,
    )

    keys, now = key_set(world.signing), world.clock()
    right = {"audience": "notary", "purpose": PURPOSE, "digest": content, "account": account.account_id}
    assert verify_confirmation(completed.confirmation, keys, now=now, **right).jti == started.confirmation_id
    for changed in (
        {"audience": "payments"},
        {"purpose": "notary.x"},
        {"digest": digest()},
        {"account": "a"},
    ):
        with pytest.raises(ConfirmationInvalid):
            verify_confirmation(completed.confirmation, keys, now=now, **{**right, **changed})


async def test_a_repeated_confirmation_has_one_effect(world: Any) -> None:
    """20 concurrent requests with the same id have one `jti`; another request with the same code is refused."""
    person, account = await world.enrolled()
    token = world.citizen(account.account_id)
    confirmation = start(digest())
    answers = await asyncio.gather(*(world.call("StartConfirmation", confirmation, token) for _ in range(20)))
    assert len({answer.SerializeToString() for answer in answers}) == 1
    code = await world.phones.code(person.mobile)
    assert await world.phones.silent(person.mobile)
    completion = complete(answers[0].confirmation_id, code)

    completed = await asyncio.gather(
        *(world.call("CompleteConfirmation", completion, token) for _ in range(20))
    )

    assert len({answer.expire_time.seconds for answer in completed}) == 1
    assert len({answer.confirmation.split(".")[1] for answer in completed}) == 1
    again = complete(answers[0].confirmation_id, code)
    assert await world.refused("CompleteConfirmation", again, token) == (
        "FAILED_PRECONDITION",
        "CODE_EXPIRED",
    )
    confirmation.digest = digest()
    reused = await world.refused("StartConfirmation", confirmation, token)
    assert reused == ("ALREADY_EXISTS", "REQUEST_ID_REUSED")


async def test_five_wrong_codes_lock_a_confirmation(world: Any) -> None:
    """Each refused attempt is counted; then the right code is refused too."""
    person, account = await world.enrolled()
    token = world.citizen(account.account_id)
    started = await world.call("StartConfirmation", start(digest()), token)
    code = await world.phones.code(person.mobile)

    refusals = [
        await world.refused("CompleteConfirmation", complete(started.confirmation_id, other(code)), token)
        for _ in range(5)
    ]

    assert set(refusals) == {("INVALID_ARGUMENT", "CODE_WRONG")}
    right = complete(started.confirmation_id, code)
    assert await world.refused("CompleteConfirmation", right, token) == ("FAILED_PRECONDITION", "CODE_LOCKED")


async def test_a_confirmation_of_another_account_is_not_found(world: Any) -> None:
    """The right code does not change that, and no attempt is counted."""
    person, account = await world.enrolled()
    token = world.citizen(account.account_id)
    started = await world.call("StartConfirmation", start(digest()), token)
    code = await world.phones.code(person.mobile)
    completion = complete(started.confirmation_id, code)

    refusal = await world.refused("CompleteConfirmation", completion, world.citizen(str(uuid.uuid4())))

    assert refusal == ("NOT_FOUND", "CONFIRMATION_NOT_FOUND")
    assert await world.call("CompleteConfirmation", completion, token)


async def test_one_content_is_confirmed_once_a_minute(world: Any) -> None:
    """A changed content can be confirmed at once."""
    _, account = await world.enrolled()
    token, content = world.citizen(account.account_id), digest()
    await world.call("StartConfirmation", start(content), token)

    again = await world.refused("StartConfirmation", start(content), token)

    assert again == ("RESOURCE_EXHAUSTED", "CODE_TOO_SOON")
    assert await world.call("StartConfirmation", start(digest()), token)


async def test_an_account_confirms_twenty_times_an_hour(world: Any) -> None:
    """The next confirmation within the hour is refused."""
    _, account = await world.enrolled()
    token = world.citizen(account.account_id)
    for _ in range(20):
        await world.call("StartConfirmation", start(digest()), token)

    more = await world.refused("StartConfirmation", start(digest()), token)

    assert more == ("RESOURCE_EXHAUSTED", "TOO_MANY_STARTS")


async def test_invalid_confirmation_requests_are_refused(world: Any) -> None:
    """An unknown purpose, an invalid digest, a caller without an account, an officer, and an unknown id."""
    _, account = await world.enrolled()
    token = world.citizen(account.account_id)

    refusals = [
        await world.refused("StartConfirmation", start(digest(), "weather.forecast"), token),
        await world.refused("StartConfirmation", start("abc"), token),
        await world.refused("StartConfirmation", start(digest()), world.citizen(str(uuid.uuid4()))),
        await world.refused("StartConfirmation", start(digest()), world.officer("clerk")),
        await world.refused("CompleteConfirmation", complete(str(uuid.uuid4()), "123456"), token),
    ]

    assert refusals == [
        ("INVALID_ARGUMENT", "AUDIENCE_UNKNOWN"),
        ("INVALID_ARGUMENT", "VALIDATION"),
        ("NOT_FOUND", "ACCOUNT_NOT_FOUND"),
        ("PERMISSION_DENIED", "ACCESS_DENIED"),
        ("NOT_FOUND", "CONFIRMATION_NOT_FOUND"),
    ]


def exchange(assertion: str, audience: str = "payments", acting_for: str = "") -> pb.IssueServiceTokenRequest:
    return pb.IssueServiceTokenRequest(client_assertion=assertion, audience=audience, acting_for=acting_for)


def assertion(world: Any, client: str = "notary", **other: Any) -> str:
    fields = {"key": world.clients[client], "now": world.clock(), "jti": str(uuid.uuid4()), **other}
    return sign_assertion(fields.pop("key"), client, fields.pop("now"), fields.pop("jti"), **fields)


async def test_a_service_gets_a_token_for_one_audience(world: Any) -> None:
    """The token is for the service itself, or for a citizen for whom it acts."""
    _, account = await world.enrolled()

    own = await world.call("IssueServiceToken", exchange(assertion(world)))
    acting = await world.call("IssueServiceToken", exchange(assertion(world), acting_for=account.account_id))

    for token, acting_for in ((own, ""), (acting, account.account_id)):
        caller = verify_access(token.access_token, key_set(world.signing), "payments", world.clock())
        assert (caller.kind, caller.id, caller.acting_for) == ("service", "notary", acting_for)


async def test_an_assertion_is_used_once(world: Any) -> None:
    """Of 20 concurrent requests one is answered with a token."""
    client_assertion = assertion(world)

    async def issue() -> str:
        try:
            await world.call("IssueServiceToken", exchange(client_assertion))
        except Exception as refused:  # noqa: BLE001 -- counted below
            return str(getattr(refused, "reason", refused))
        return "done"

    outcomes = await asyncio.gather(*(issue() for _ in range(20)))

    assert (outcomes.count("done"), outcomes.count("ASSERTION_USED")) == (1, 19)


async def test_forged_assertions_are_refused(world: Any) -> None:
    """Another key, another client, another audience, too old, in the future, an unknown client, and invalid texts."""
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

    refusals = [await world.refused("IssueServiceToken", exchange(each)) for each in forged]

    assert set(refusals) == {("UNAUTHENTICATED", "ASSERTION_INVALID")}


def signed(key: ECKey, header: dict[str, Any], **claims: Any) -> str:
    """An assertion as an integrator's own library writes it."""
    return jwt.encode({"alg": "ES256", **header}, claims, key, algorithms=["ES256"])


async def test_an_assertion_of_another_library_is_accepted_and_used_once(world: Any) -> None:
    """Without `iat`, `kid` and `typ`, with times in fractions, `nbf`, and `aud` as a list."""
    now = world.clock().timestamp()
    claims = {"iss": "notary", "sub": "notary", "aud": ["diwan.identity"], "jti": str(uuid.uuid4())}
    text = signed(world.clients["notary"], {}, **claims, exp=now + 50.5, nbf=now - 1.5)

    issued = await world.call("IssueServiceToken", exchange(text))
    again = signed(world.clients["notary"], {"typ": "JWT"}, **claims, exp=now + 40, iat=now)

    caller = verify_access(issued.access_token, key_set(world.signing), "payments", world.clock())
    assert (caller.kind, caller.id) == ("service", "notary")
    assert await world.refused("IssueServiceToken", exchange(text)) == ("UNAUTHENTICATED", "ASSERTION_USED")
    assert await world.refused("IssueServiceToken", exchange(again)) == ("UNAUTHENTICATED", "ASSERTION_USED")


async def test_a_client_may_have_several_keys(world: Any) -> None:
    """The next one is registered before the current one is removed. A broken file harms no other."""
    folder = world.settings.keys_dir / "clients"
    second = generate_key()
    (folder / "notary-2.jwk").write_text(json.dumps(second.as_dict(private=False)))
    (folder / "notary-3.jwk").write_text("[]")
    try:
        for key in (world.clients["notary"], second):
            assert await world.call("IssueServiceToken", exchange(assertion(world, key=key)))
            without_kid = signed(
                key,
                {},
                iss="notary",
                sub="notary",
                aud="diwan.identity",
                jti=str(uuid.uuid4()),
                exp=world.clock().timestamp() + 30,
            )
            assert await world.call("IssueServiceToken", exchange(without_kid))
    finally:
        (folder / "notary-2.jwk").unlink()
        (folder / "notary-3.jwk").unlink()
    refusal = await world.refusal("IssueServiceToken", exchange(assertion(world, key=second)))
    assert (refusal.reason, refusal.metadata) == ("ASSERTION_INVALID", {"problem": "not_verified"})


async def test_the_problem_of_an_assertion_is_named(world: Any) -> None:
    """A key's holder learns which claim to mend; others do not learn whether a client exists."""
    now = world.clock().timestamp()
    right = {"iss": "notary", "sub": "notary", "aud": "diwan.identity", "jti": "j", "exp": now + 30}
    cases = {
        "audience": right | {"aud": ["diwan.identity", "diwan.payments"]},
        "subject": right | {"sub": "payments"},
        "expiry_too_far": right | {"exp": now + 600},
        "expired": right | {"exp": now - 600},
        "issued_in_future": right | {"iat": now + 600},
        "not_yet_valid": right | {"nbf": now + 600},
        "jti": right | {"jti": ""},
    }
    for problem, claims in cases.items():
        refusal = await world.refusal(
            "IssueServiceToken", exchange(signed(world.clients["notary"], {}, **claims))
        )
        assert (refusal.code, refusal.reason, refusal.metadata) == (
            "UNAUTHENTICATED",
            "ASSERTION_INVALID",
            {"problem": problem},
        )
    strangers = [
        await world.refusal("IssueServiceToken", exchange(signed(generate_key(), {}, **right, **changed)))
        for changed in ({}, {"scope": "a"})
    ]
    unknown = right | {"iss": "stranger", "sub": "stranger", "aud": "elsewhere"}
    strangers.append(
        await world.refusal("IssueServiceToken", exchange(signed(generate_key(), {}, **unknown)))
    )
    assert {str(each) for each in strangers} == {str(strangers[0])}
    assert {each.metadata["problem"] for each in strangers} == {"not_verified"}


async def test_invalid_token_requests_are_refused(world: Any) -> None:
    """An unknown audience, an unknown account, and clients that may not act for citizens."""
    _, account = await world.enrolled()

    refusals = [
        await world.refused("IssueServiceToken", exchange(assertion(world), "weather")),
        await world.refused("IssueServiceToken", exchange(assertion(world), acting_for=str(uuid.uuid4()))),
        *[
            await world.refused(
                "IssueServiceToken", exchange(assertion(world, client), acting_for=account.account_id)
            )
            for client in ("operator", "payments", "notification")
        ],
    ]

    assert refusals == [
        ("INVALID_ARGUMENT", "AUDIENCE_UNKNOWN"),
        ("NOT_FOUND", "ACCOUNT_NOT_FOUND"),
        *[("PERMISSION_DENIED", "ACTING_NOT_ALLOWED")] * 3,
    ]


async def test_a_citizen_reads_only_their_own_account(world: Any) -> None:
    """Reads of another id or by national ID are refused, whether or not the account exists."""
    person, account = await world.enrolled()
    token = world.citizen(account.account_id)

    own = await world.call("GetAccount", pb.GetAccountRequest(account_id=account.account_id), token)
    refusals = [
        await world.refused("GetAccount", pb.GetAccountRequest(account_id=str(uuid.uuid4())), token),
        await world.refused("GetAccount", pb.GetAccountRequest(national_id=person.national_id), token),
    ]

    assert (own.full_name, own.national_id) == (person.full_name, "")
    assert set(refusals) == {("PERMISSION_DENIED", "NOT_OWN_ACCOUNT")}


async def test_each_read_of_a_service_is_recorded(world: Any) -> None:
    """By id and by national ID, with service, citizen and purpose; also when no account was found."""
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

    records = [record["state"] for record in log.find({"state.subject_ids": account.account_id})]
    assert log.count_documents({}) == before + 3
    assert [
        (read["caller_kind"], read["caller_id"], read["acting_for"], read["purpose"]) for read in records
    ] == [("service", "notary", "acc", "agent of a case")] * 2
    assert {read["rpc"] for read in records} == {"diwan.identity.v1.IdentityService.GetAccount"}
    assert all(read["subject_ids"] == [account.account_id] for read in records)
    assert person.national_id not in str(records)


async def test_a_service_finds_an_account_by_national_id_and_first_name(world: Any) -> None:
    """Any usual spelling matches; a wrong name is refused like an unknown number, and recorded."""
    person, account = await world.enrolled()
    stranger, token = world.stranger(), world.service("notary", acting_for="acc")

    def by_name(national_id: str, first_name: str) -> pb.GetAccountRequest:
        return pb.GetAccountRequest(purpose="agent", national_id=national_id, first_name=first_name)

    found = await world.call("GetAccount", by_name(person.national_id, "احمد"), token)
    refusals = [
        await world.refusal("GetAccount", by_name(person.national_id, "محمود"), token),
        await world.refusal("GetAccount", by_name(stranger.national_id, "محمود"), token),
    ]

    assert found.account_id == account.account_id
    assert (refusals[0].code, refusals[0].reason) == ("NOT_FOUND", "ACCOUNT_NOT_FOUND")
    assert str(refusals[0]) == str(refusals[1])
    assert world.database["access_log"].count_documents({"state.subject_ids": account.account_id}) == 2


async def test_a_read_without_a_purpose_is_refused(world: Any) -> None:
    """A service without access is refused too."""
    _, account = await world.enrolled()
    request = pb.GetAccountRequest(account_id=account.account_id)

    assert await world.refused("GetAccount", request, world.service("notary")) == (
        "INVALID_ARGUMENT",
        "PURPOSE_REQUIRED",
    )
    assert await world.refused("GetAccount", request, world.service("payments")) == (
        "PERMISSION_DENIED",
        "ACCESS_DENIED",
    )


async def test_a_repeated_record_has_one_effect_and_a_correction_replaces_it(world: Any) -> None:
    """There is one stored person, with the latest name."""
    person = await world.registered()
    event_id = world.publish(person)
    world.publish(person, event_id=event_id)
    corrected = replace(person, full_name="أحمد محمود عبد الله السيد")

    world.publish(corrected)

    await world.until(lambda: world.person(person)["state"]["full_name"] == corrected.full_name)
    assert world.database["persons"].count_documents({"state.person_id": person.person_id}) == 1


async def test_a_late_older_record_is_ignored(world: Any) -> None:
    """The time of the record decides, not that of its arrival."""
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
        # A longer record does not fit into the event, and is parked as INVALID.
        ({"full_name": "م" * 300}, "NAME_INVALID"),
        ({"full_name": "أحمد م" + "\u064e" * 100}, "NAME_INVALID"),
        ({"governorate": "99"}, "RECORD_CONFLICT"),
        ({"person_id": str(uuid.uuid4())}, "RECORD_CONFLICT"),
    ],
)
async def test_a_wrong_record_is_parked_with_its_reason(
    world: Any, wrong: dict[str, str], reason: str
) -> None:
    """The next record is processed, and the entry contains no national ID."""
    person = await world.registered()

    event_id = world.publish(replace(person, **wrong))

    entry = await world.parked(event_id)
    assert reason in entry
    assert person.national_id not in entry
    await world.registered()


async def test_a_person_has_one_national_id(world: Any) -> None:
    """A record with another number for the same person is parked."""
    person = await world.registered()

    event_id = world.publish(replace(world.stranger(), person_id=person.person_id))

    assert "RECORD_CONFLICT" in await world.parked(event_id)
