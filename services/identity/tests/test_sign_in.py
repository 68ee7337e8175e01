"""Sign-in, tokens, refresh, sign-out, and the registration of officers."""

import asyncio
import base64
import json
import uuid
from datetime import timedelta
from typing import Any

import pytest
from chassis.errors import TokenInvalid
from chassis.tokens import key_set, parse_jwks, verify_access
from diwan.identity.v1 import identity_pb2 as pb
from testkit.loads import loads

pytestmark = [pytest.mark.real, pytest.mark.asyncio(loop_scope="session")]

OPERATOR = "operator"
SERVICES = ("identity", "payments", "notary", "notification")


def by_national_id(person: Any, **other: str) -> pb.StartSignInRequest:
    fields = {"request_id": str(uuid.uuid4()), "national_id": person.national_id, "channel": "portal"}
    return pb.StartSignInRequest(**{**fields, **other})


def by_staff_number(number: str) -> pb.StartSignInRequest:
    return pb.StartSignInRequest(request_id=str(uuid.uuid4()), staff_number=number, channel="post_office")


def completion(sign_in_id: str, code: str) -> pb.CompleteSignInRequest:
    return pb.CompleteSignInRequest(request_id=str(uuid.uuid4()), sign_in_id=sign_in_id, code=code)


def refresh(token: str) -> pb.RefreshTokenRequest:
    return pb.RefreshTokenRequest(request_id=str(uuid.uuid4()), refresh_token=token)


def sign_out(token: str) -> pb.SignOutRequest:
    return pb.SignOutRequest(request_id=str(uuid.uuid4()), refresh_token=token)


def officer(person: Any, number: str, *roles: str, office: str = "cairo-1") -> pb.RegisterOfficerRequest:
    return pb.RegisterOfficerRequest(
        request_id=str(uuid.uuid4()),
        staff_number=number,
        national_id=person.national_id,
        mobile=person.mobile,
        roles=roles,
        office_id=office,
    )


def staff_number() -> str:
    return f"S-{uuid.uuid4().hex[:10].upper()}"


def claims(token: str) -> dict[str, Any]:
    payload = token.split(".")[1]
    decoded: dict[str, Any] = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    return decoded


def other(code: str) -> str:
    return f"{(int(code) + 1) % 1_000_000:06d}"


async def test_a_citizen_receives_a_token_for_each_service(world: Any) -> None:
    """The published keys verify the tokens, which hold account, person and channel, and last 15 minutes."""
    person, account = await world.enrolled()

    tokens = await world.signed_in(person)

    published = parse_jwks((await world.call("ListSigningKeys", pb.ListSigningKeysRequest())).jwks)
    assert set(tokens.access_tokens) == set(SERVICES)
    for service, token in tokens.access_tokens.items():
        caller = verify_access(token, published, service, world.clock())
        assert (caller.kind, caller.id, caller.person) == ("citizen", account.account_id, person.person_id)
        assert caller.channel == "portal"
        for audience in {*SERVICES, "elsewhere"} - {service}:
            with pytest.raises(TokenInvalid):
                verify_access(token, published, audience, world.clock())
    lifetime = timedelta(seconds=tokens.expire_time.seconds - world.clock().timestamp())
    assert timedelta(minutes=14) < lifetime <= timedelta(minutes=15)


async def test_a_command_loads_its_session_once(world: Any) -> None:
    """Sign-in and refresh read the holder for the tokens after the command on the session."""
    person, _ = await world.enrolled()
    before = loads("sessions"), loads("accounts")

    tokens = await world.signed_in(person)
    signed_in = loads("sessions"), loads("accounts")
    await world.call("RefreshToken", refresh(tokens.refresh_token))

    # A sign-in is two commands on the session, and reads the account's mobile before the first.
    assert (signed_in[0] - before[0], signed_in[1] - before[1]) == (2, 2)
    assert (loads("sessions") - signed_in[0], loads("accounts") - signed_in[1]) == (1, 1)


async def test_each_token_has_one_audience_and_its_own_id(world: Any) -> None:
    """At sign-in and after a refresh; a repeated request returns tokens with the same claims."""
    person, _ = await world.enrolled()
    first = await world.signed_in(person)
    request = refresh(first.refresh_token)

    second, again = [await world.call("RefreshToken", request) for _ in range(2)]

    claims_of_pairs = [
        {service: claims(token) for service, token in pair.access_tokens.items()} for pair in (first, second)
    ]
    assert all(each["aud"] == service for pair in claims_of_pairs for service, each in pair.items())
    assert len({each["jti"] for pair in claims_of_pairs for each in pair.values()}) == 2 * len(SERVICES)
    assert claims_of_pairs[1] == {service: claims(token) for service, token in again.access_tokens.items()}


async def test_a_token_for_another_service_is_refused(world: Any) -> None:
    """A token stolen from notary, payments or notification gives no access to the account."""
    person, account = await world.enrolled()
    tokens = dict((await world.signed_in(person)).access_tokens)
    own = pb.GetAccountRequest(account_id=account.account_id)

    assert await world.call("GetAccount", own, tokens.pop("identity"))

    refusals = {service: await world.refused("GetAccount", own, token) for service, token in tokens.items()}
    assert refusals == dict.fromkeys(set(SERVICES) - {"identity"}, ("UNAUTHENTICATED", "TOKEN_INVALID"))


async def test_published_keys_are_public(world: Any) -> None:
    """They contain no private part."""
    jwks = (await world.call("ListSigningKeys", pb.ListSigningKeysRequest())).jwks

    assert '"d"' not in jwks
    assert '"kid"' in jwks


async def test_unknown_people_sign_in_like_known_ones_and_get_no_code(world: Any) -> None:
    """The answers have the same form, no SMS is sent, any code is CODE_WRONG, and CODE_LOCKED after five."""
    person, _ = await world.enrolled()
    unknown = world.stranger()

    answers = [await world.call("StartSignIn", by_national_id(who)) for who in (person, unknown)]
    answers.append(await world.call("StartSignIn", by_staff_number(staff_number())))

    assert {len(answer.sign_in_id) for answer in answers} == {36}
    code = await world.phones.code(person.mobile)
    assert await world.phones.silent(unknown.mobile)
    for answer in answers:
        refusals = [
            await world.refused("CompleteSignIn", completion(answer.sign_in_id, other(code)))
            for _ in range(6)
        ]
        assert refusals == [("INVALID_ARGUMENT", "CODE_WRONG")] * 5 + [("FAILED_PRECONDITION", "CODE_LOCKED")]


@pytest.mark.parametrize(
    ("channel", "citizen", "officer"),
    [
        ("portal", "", "CHANNEL_NOT_ALLOWED"),
        ("post_office", "CHANNEL_NOT_ALLOWED", ""),
        ("free_of_charge", "CHANNEL_UNKNOWN", "CHANNEL_UNKNOWN"),
    ],
)
async def test_channels_are_restricted_to_citizens_or_officers(
    world: Any, channel: str, citizen: str, officer: str
) -> None:
    """A channel decides the tariff, so a caller cannot choose it freely; a refused start is not counted."""
    for form, reason in (
        (by_national_id(world.stranger()), citizen),
        (by_staff_number(staff_number()), officer),
    ):
        right, form.channel = form.channel, channel
        if reason:
            assert await world.refused("StartSignIn", form) == ("INVALID_ARGUMENT", reason)
            form.channel = right
        assert (await world.call("StartSignIn", form)).sign_in_id


async def test_one_code_a_minute_for_known_and_unknown(world: Any) -> None:
    """The limit does not reveal whether there is an account."""
    person, _ = await world.enrolled()
    for who in (person, world.stranger()):
        await world.call("StartSignIn", by_national_id(who))

        again = await world.refused("StartSignIn", by_national_id(who))

        assert again == ("RESOURCE_EXHAUSTED", "CODE_TOO_SOON")


async def test_a_repeated_start_sends_one_code(world: Any) -> None:
    """20 concurrent requests with the same id have one answer and one SMS; other content is refused."""
    person, _ = await world.enrolled()
    request = by_national_id(person)

    answers = await asyncio.gather(*(world.call("StartSignIn", request) for _ in range(20)))

    assert len({answer.SerializeToString() for answer in answers}) == 1
    await world.phones.code(person.mobile)
    assert await world.phones.silent(person.mobile)
    request.channel = "mobile_app"
    assert await world.refused("StartSignIn", request) == ("ALREADY_EXISTS", "REQUEST_ID_REUSED")


async def test_tokens_are_issued_again_for_a_repeated_request_and_not_stored(world: Any) -> None:
    """The refresh token is the same, the access tokens have the same claims, and the store contains none of them."""
    person, _ = await world.enrolled()
    started = await world.call("StartSignIn", by_national_id(person))
    request = completion(started.sign_in_id, await world.phones.code(person.mobile))

    answers = await asyncio.gather(*(world.call("CompleteSignIn", request) for _ in range(20)))

    assert len({answer.refresh_token for answer in answers}) == 1
    assert len({answer.expire_time.seconds for answer in answers}) == 1
    stored = str(world.database["sessions"].find_one({"_id": started.sign_in_id}))
    assert answers[0].refresh_token.rpartition(".")[2] not in stored
    claims_of_pairs = [
        {service: claims(token) for service, token in pair.access_tokens.items()} for pair in answers
    ]
    assert all(each == claims_of_pairs[0] for each in claims_of_pairs)
    assert not any(token in stored for pair in answers for token in pair.access_tokens.values())
    request.code = other(request.code)
    assert await world.refused("CompleteSignIn", request) == ("ALREADY_EXISTS", "REQUEST_ID_REUSED")


async def test_a_repeated_refresh_has_one_effect(world: Any) -> None:
    """20 concurrent requests with the same id have one answer and advance the session once."""
    person, _ = await world.enrolled()
    tokens = await world.signed_in(person)
    request = refresh(tokens.refresh_token)

    answers = await asyncio.gather(*(world.call("RefreshToken", request) for _ in range(20)))

    assert len({answer.refresh_token for answer in answers}) == 1
    assert answers[0].refresh_token != tokens.refresh_token
    assert (await world.call("RefreshToken", refresh(answers[0].refresh_token))).access_tokens
    request.refresh_token = answers[0].refresh_token
    assert await world.refused("RefreshToken", request) == ("ALREADY_EXISTS", "REQUEST_ID_REUSED")


async def test_a_repeated_refresh_does_not_depend_on_the_access_token(world: Any) -> None:
    """With a valid, an expired or no access token it has the same answer, and the session continues."""
    person, _ = await world.enrolled()
    tokens = await world.signed_in(person)
    request, bearer = refresh(tokens.refresh_token), tokens.access_tokens["identity"]

    first = await world.call("RefreshToken", request, bearer)
    world.pass_time(minutes=16)
    again = await world.call("RefreshToken", request, bearer)

    without = await world.call("RefreshToken", request)
    assert first.refresh_token == again.refresh_token == without.refresh_token
    assert await world.call("RefreshToken", refresh(first.refresh_token))


async def test_an_old_refresh_token_ends_the_session(world: Any) -> None:
    """A reused token may be stolen, so the newest token is refused too."""
    person, _ = await world.enrolled()
    first = await world.signed_in(person)
    second = await world.call("RefreshToken", refresh(first.refresh_token))

    reused = await world.refused("RefreshToken", refresh(first.refresh_token))
    then = await world.refused("RefreshToken", refresh(second.refresh_token))

    assert reused == then == ("UNAUTHENTICATED", "SESSION_ENDED")


@pytest.mark.parametrize("change", ["generation", "session", "mac", "nonsense"])
async def test_a_forged_refresh_token_is_refused(world: Any, change: str) -> None:
    """It does not end the session."""
    person, _ = await world.enrolled()
    tokens = await world.signed_in(person)
    session, generation, mac = tokens.refresh_token.split(".")
    forged = {
        "generation": f"{session}.2.{mac}",
        "session": f"{uuid.uuid4()}.{generation}.{mac}",
        "mac": f"{session}.{generation}.{mac[:-1]}{'0' if mac[-1] != '0' else '1'}",
        "nonsense": "x" * 40,
    }[change]

    refreshed = await world.refused("RefreshToken", refresh(forged))
    signed_out = await world.refused("SignOut", sign_out(forged))

    assert refreshed == signed_out == ("UNAUTHENTICATED", "SESSION_ENDED")
    assert await world.call("RefreshToken", refresh(tokens.refresh_token))


async def test_sign_out_ends_the_session(world: Any) -> None:
    """20 concurrent requests have one effect; a refresh after that is refused."""
    person, _ = await world.enrolled()
    tokens = await world.signed_in(person)
    request = sign_out(tokens.refresh_token)

    await asyncio.gather(*(world.call("SignOut", request) for _ in range(20)))

    refusal = await world.refused("RefreshToken", refresh(tokens.refresh_token))
    assert refusal == ("UNAUTHENTICATED", "SESSION_ENDED")


async def test_a_session_ends_after_twelve_hours(world: Any) -> None:
    """A refresh does not extend it."""
    person, _ = await world.enrolled()
    tokens = await world.signed_in(person)

    world.pass_time(hours=12)

    refusal = await world.refused("RefreshToken", refresh(tokens.refresh_token))
    assert refusal == ("UNAUTHENTICATED", "SESSION_ENDED")


async def test_an_unknown_sign_in_is_not_found(world: Any) -> None:
    """The id is not one that the service issued."""
    refusal = await world.refused("CompleteSignIn", completion(str(uuid.uuid4()), "123456"))

    assert refusal == ("NOT_FOUND", "SIGN_IN_NOT_FOUND")


async def test_the_operator_registers_exactly_one_administrator(world: Any) -> None:
    """Of eight concurrent requests one succeeds; administrators register further officers."""
    forms = [officer(world.stranger(), staff_number(), "administrator", office="") for _ in range(8)]
    clerk = officer(world.stranger(), staff_number(), "clerk")

    async def register(form: pb.RegisterOfficerRequest) -> str:
        try:
            await world.call("RegisterOfficer", form, world.service(OPERATOR))
        except Exception as refused:  # noqa: BLE001 -- counted below
            return str(getattr(refused, "reason", refused))
        return "done"

    first = await world.refused("RegisterOfficer", clerk, world.service(OPERATOR))
    outcomes = await asyncio.gather(*(register(form) for form in forms))

    assert first == ("INVALID_ARGUMENT", "FIRST_MUST_BE_ADMINISTRATOR")
    assert (outcomes.count("done"), outcomes.count("ADMINISTRATOR_EXISTS")) == (1, 7)
    registered = forms[outcomes.index("done")]
    assert await world.call("RegisterOfficer", registered, world.service(OPERATOR))
    assert await world.call("RegisterOfficer", clerk, world.officer("administrator"))


async def test_an_officers_token_has_roles_office_and_person(world: Any) -> None:
    """The officer signs in by staff number with the code from the SMS."""
    person, number = await world.registered(), staff_number()
    form = officer(person, number, "reviewer", "clerk")
    registered = await world.call("RegisterOfficer", form, world.officer("administrator"))
    started = await world.call("StartSignIn", by_staff_number(number))

    tokens = await world.call(
        "CompleteSignIn", completion(started.sign_in_id, await world.phones.code(person.mobile))
    )

    caller = verify_access(tokens.access_tokens["notary"], key_set(world.signing), "notary", world.clock())
    assert (caller.kind, caller.id, caller.office) == ("officer", registered.officer_id, "cairo-1")
    assert caller.roles == {"reviewer", "clerk"}
    assert (caller.person, caller.channel) == (person.person_id, "post_office")


async def test_an_officer_unknown_to_the_registry_has_a_substitute_person(world: Any) -> None:
    """It is the same at each sign-in, until the registry publishes the person."""
    person, number = world.stranger(), staff_number()
    form = officer(person, number, "reviewer")
    await world.call("RegisterOfficer", form, world.officer("administrator"))

    async def person_in_token() -> str:
        world.pass_time(minutes=2)
        started = await world.call("StartSignIn", by_staff_number(number))
        code = await world.phones.code(person.mobile)
        tokens = await world.call("CompleteSignIn", completion(started.sign_in_id, code))
        return verify_access(
            tokens.access_tokens["notary"], key_set(world.signing), "notary", world.clock()
        ).person

    first, second = await person_in_token(), await person_in_token()
    await world.registered(person)

    assert first == second != ""
    assert await person_in_token() == person.person_id


@pytest.mark.parametrize(
    ("same", "refused"),
    [
        ("staff_number", ("ALREADY_EXISTS", "STAFF_NUMBER_TAKEN")),
        ("mobile", ("ALREADY_EXISTS", "MOBILE_TAKEN")),
    ],
)
async def test_staff_numbers_and_mobiles_of_officers_are_unique(
    world: Any, same: str, refused: tuple[str, str]
) -> None:
    """A second registration with either is refused."""
    first = officer(world.stranger(), staff_number(), "reviewer")
    second = officer(world.stranger(), staff_number(), "reviewer")
    await world.call("RegisterOfficer", first, world.officer("administrator"))

    setattr(second, same, getattr(first, same))

    assert await world.refused("RegisterOfficer", second, world.officer("administrator")) == refused


async def test_a_repeated_registration_has_one_effect(world: Any) -> None:
    """20 concurrent requests with the same id: one officer, one event."""
    form, administrator = (
        officer(world.stranger(), staff_number(), "reviewer"),
        world.officer("administrator"),
    )

    answers = await asyncio.gather(*(world.call("RegisterOfficer", form, administrator) for _ in range(20)))

    assert len({answer.SerializeToString() for answer in answers}) == 1
    stored = world.database["officers"].find_one({"_id": answers[0].officer_id})
    assert (stored["version"], stored["sequence"]) == (1, 1)
    form.office_id = "giza-1"
    again = await world.refused("RegisterOfficer", form, administrator)
    assert again == ("ALREADY_EXISTS", "REQUEST_ID_REUSED")


@pytest.mark.parametrize(
    ("roles", "office", "refused"),
    [
        (["clerk"], "", ("INVALID_ARGUMENT", "OFFICE_REQUIRED")),
        (["king"], "cairo-1", ("INVALID_ARGUMENT", "VALIDATION")),
        ([], "cairo-1", ("INVALID_ARGUMENT", "VALIDATION")),
        (["clerk", "clerk"], "cairo-1", ("INVALID_ARGUMENT", "VALIDATION")),
    ],
)
async def test_an_invalid_registration_is_refused(
    world: Any, roles: list[str], office: str, refused: tuple[str, str]
) -> None:
    """Each row is an invalid request with its code and reason."""
    form = officer(world.stranger(), staff_number(), *roles, office=office)

    assert await world.refused("RegisterOfficer", form, world.officer("administrator")) == refused


async def test_only_administrators_register_officers(world: Any) -> None:
    """Calls without a token, of clerks, of services and of citizens are refused."""
    form = officer(world.stranger(), staff_number(), "reviewer")

    refusals = [
        await world.refused("RegisterOfficer", form, token)
        for token in ("", world.officer("clerk"), world.service("notary"), world.citizen(str(uuid.uuid4())))
    ]

    assert refusals == [("UNAUTHENTICATED", "TOKEN_MISSING")] + [("PERMISSION_DENIED", "ACCESS_DENIED")] * 3
