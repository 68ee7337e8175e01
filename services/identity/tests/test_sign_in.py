"""Sign-in, tokens, refresh, sign-out, officers."""

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
    asked = {"request_id": str(uuid.uuid4()), "national_id": person.national_id, "channel": "portal"}
    return pb.StartSignInRequest(**{**asked, **other})


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
    told: dict[str, Any] = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    return told


def other(code: str) -> str:
    return f"{(int(code) + 1) % 1_000_000:06d}"


async def test_a_citizens_tokens_say_who_calls_one_service_each(world: Any) -> None:
    """The published keys check them; they carry account, person and channel, and no personal datum."""
    person, account = await world.enrolled()

    tokens = await world.signed_in(person)

    published = parse_jwks((await world.call("ListSigningKeys", pb.ListSigningKeysRequest())).jwks)
    assert set(tokens.access_tokens) == set(SERVICES)
    for service, token in tokens.access_tokens.items():
        caller = verify_access(token, published, service, world.clock())
        assert (caller.kind, caller.id, caller.person) == ("citizen", account.account_id, person.person_id)
        assert caller.channel == "portal"
        for elsewhere in {*SERVICES, "elsewhere"} - {service}:
            with pytest.raises(TokenInvalid):
                verify_access(token, published, elsewhere, world.clock())
    life = timedelta(seconds=tokens.expire_time.seconds - world.clock().timestamp())
    assert timedelta(minutes=14) < life <= timedelta(minutes=15)


async def test_a_command_loads_its_session_once(world: Any) -> None:
    """Sign-in and refresh read the holder, for the tokens, once the session is settled."""
    person, _ = await world.enrolled()
    before = loads("sessions"), loads("accounts")

    tokens = await world.signed_in(person)
    signed_in = loads("sessions"), loads("accounts")
    await world.call("RefreshToken", refresh(tokens.refresh_token))

    # A sign-in is two commands on the session, and reads the account's mobile before the first.
    assert (signed_in[0] - before[0], signed_in[1] - before[1]) == (2, 2)
    assert (loads("sessions") - signed_in[0], loads("accounts") - signed_in[1]) == (1, 1)


async def test_each_token_has_one_audience_and_an_id_of_its_own(world: Any) -> None:
    """At sign-in and after a refresh; issued again for the same request each says the same again."""
    person, _ = await world.enrolled()
    first = await world.signed_in(person)
    asked = refresh(first.refresh_token)

    second, again = [await world.call("RefreshToken", asked) for _ in range(2)]

    said = [
        {service: claims(token) for service, token in pair.access_tokens.items()} for pair in (first, second)
    ]
    assert all(told["aud"] == service for pair in said for service, told in pair.items())
    assert len({told["jti"] for pair in said for told in pair.values()}) == 2 * len(SERVICES)
    assert said[1] == {service: claims(token) for service, token in again.access_tokens.items()}


async def test_a_token_for_another_service_opens_nothing_here(world: Any) -> None:
    """Whoever robs notary, payments or notification of a token does not get at the account with it."""
    person, account = await world.enrolled()
    tokens = dict((await world.signed_in(person)).access_tokens)
    own = pb.GetAccountRequest(account_id=account.account_id)

    assert await world.call("GetAccount", own, tokens.pop("identity"))

    told = {service: await world.refused("GetAccount", own, token) for service, token in tokens.items()}
    assert told == dict.fromkeys(set(SERVICES) - {"identity"}, ("UNAUTHENTICATED", "TOKEN_INVALID"))


async def test_published_keys_are_public(world: Any) -> None:
    """No private part leaves the house."""
    jwks = (await world.call("ListSigningKeys", pb.ListSigningKeysRequest())).jwks

    assert '"d"' not in jwks
    assert '"kid"' in jwks


async def test_unknown_people_sign_in_like_known_ones_and_get_no_code(world: Any) -> None:
    """One shape of answer, silence on the phone, CODE_WRONG for any code, CODE_LOCKED after five."""
    person, _ = await world.enrolled()
    stranger = world.stranger()

    answers = [await world.call("StartSignIn", by_national_id(who)) for who in (person, stranger)]
    answers.append(await world.call("StartSignIn", by_staff_number(staff_number())))

    assert {len(answer.sign_in_id) for answer in answers} == {36}
    code = await world.phones.code(person.mobile)
    assert await world.phones.silent(stranger.mobile)
    for answer in answers:
        told = [
            await world.refused("CompleteSignIn", completion(answer.sign_in_id, other(code)))
            for _ in range(6)
        ]
        assert told == [("INVALID_ARGUMENT", "CODE_WRONG")] * 5 + [("FAILED_PRECONDITION", "CODE_LOCKED")]


@pytest.mark.parametrize(
    ("channel", "citizen", "officer"),
    [
        ("portal", "", "CHANNEL_NOT_ALLOWED"),
        ("post_office", "CHANNEL_NOT_ALLOWED", ""),
        ("free_of_charge", "CHANNEL_UNKNOWN", "CHANNEL_UNKNOWN"),
    ],
)
async def test_nobody_chooses_a_tariff_by_their_channel(
    world: Any, channel: str, citizen: str, officer: str
) -> None:
    """Citizens sign in where they serve themselves, officers where they serve others; a refusal counts no start."""
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
    """The limit does not know who has an account."""
    person, _ = await world.enrolled()
    for who in (person, world.stranger()):
        await world.call("StartSignIn", by_national_id(who))

        again = await world.refused("StartSignIn", by_national_id(who))

        assert again == ("RESOURCE_EXHAUSTED", "CODE_TOO_SOON")


async def test_start_with_one_request_id_sends_one_code(world: Any) -> None:
    """Twenty at once: one answer, one SMS; other content is refused."""
    person, _ = await world.enrolled()
    asked = by_national_id(person)

    answers = await asyncio.gather(*(world.call("StartSignIn", asked) for _ in range(20)))

    assert len({answer.SerializeToString() for answer in answers}) == 1
    await world.phones.code(person.mobile)
    assert await world.phones.silent(person.mobile)
    asked.channel = "mobile_app"
    assert await world.refused("StartSignIn", asked) == ("ALREADY_EXISTS", "REQUEST_ID_REUSED")


async def test_tokens_are_issued_again_for_the_same_request_and_never_stored(world: Any) -> None:
    """The same refresh token, and access tokens that say the same to the second; the store holds none of them."""
    person, _ = await world.enrolled()
    started = await world.call("StartSignIn", by_national_id(person))
    asked = completion(started.sign_in_id, await world.phones.code(person.mobile))

    answers = await asyncio.gather(*(world.call("CompleteSignIn", asked) for _ in range(20)))

    assert len({answer.refresh_token for answer in answers}) == 1
    assert len({answer.expire_time.seconds for answer in answers}) == 1
    kept = str(world.database["sessions"].find_one({"_id": started.sign_in_id}))
    assert answers[0].refresh_token.rpartition(".")[2] not in kept
    said = [{service: claims(token) for service, token in pair.access_tokens.items()} for pair in answers]
    assert all(told == said[0] for told in said)
    assert not any(token in kept for pair in answers for token in pair.access_tokens.values())
    asked.code = other(asked.code)
    assert await world.refused("CompleteSignIn", asked) == ("ALREADY_EXISTS", "REQUEST_ID_REUSED")


async def test_refresh_gives_new_tokens_once_for_a_request(world: Any) -> None:
    """Twenty times at once with one request id: one step forward, one answer."""
    person, _ = await world.enrolled()
    tokens = await world.signed_in(person)
    asked = refresh(tokens.refresh_token)

    answers = await asyncio.gather(*(world.call("RefreshToken", asked) for _ in range(20)))

    assert len({answer.refresh_token for answer in answers}) == 1
    assert answers[0].refresh_token != tokens.refresh_token
    assert (await world.call("RefreshToken", refresh(answers[0].refresh_token))).access_tokens
    asked.refresh_token = answers[0].refresh_token
    assert await world.refused("RefreshToken", asked) == ("ALREADY_EXISTS", "REQUEST_ID_REUSED")


async def test_a_refresh_repeated_after_the_bearer_expired_is_the_same_refresh(world: Any) -> None:
    """The old access token sent along, while it holds and after, or none: one answer, and the session goes on."""
    person, _ = await world.enrolled()
    tokens = await world.signed_in(person)
    asked, bearer = refresh(tokens.refresh_token), tokens.access_tokens["identity"]

    first = await world.call("RefreshToken", asked, bearer)
    world.pass_time(minutes=16)
    again = await world.call("RefreshToken", asked, bearer)

    bare = await world.call("RefreshToken", asked)
    assert first.refresh_token == again.refresh_token == bare.refresh_token
    assert await world.call("RefreshToken", refresh(first.refresh_token))


async def test_an_old_refresh_token_ends_the_session_for_both_hands(world: Any) -> None:
    """Whoever stole it, nobody goes on."""
    person, _ = await world.enrolled()
    first = await world.signed_in(person)
    second = await world.call("RefreshToken", refresh(first.refresh_token))

    reused = await world.refused("RefreshToken", refresh(first.refresh_token))
    then = await world.refused("RefreshToken", refresh(second.refresh_token))

    assert reused == then == ("UNAUTHENTICATED", "SESSION_ENDED")


@pytest.mark.parametrize("change", ["generation", "session", "mac", "nonsense"])
async def test_forged_refresh_tokens_are_refused_and_harm_nobody(world: Any, change: str) -> None:
    """A token that we did not make ends no session."""
    person, _ = await world.enrolled()
    tokens = await world.signed_in(person)
    session, generation, mac = tokens.refresh_token.split(".")
    forged = {
        "generation": f"{session}.2.{mac}",
        "session": f"{uuid.uuid4()}.{generation}.{mac}",
        "mac": f"{session}.{generation}.{mac[:-1]}{'0' if mac[-1] != '0' else '1'}",
        "nonsense": "x" * 40,
    }[change]

    told = await world.refused("RefreshToken", refresh(forged))
    out = await world.refused("SignOut", sign_out(forged))

    assert told == out == ("UNAUTHENTICATED", "SESSION_ENDED")
    assert await world.call("RefreshToken", refresh(tokens.refresh_token))


async def test_sign_out_ends_the_session_and_bears_repetition(world: Any) -> None:
    """Twenty at once: one effect; afterwards nothing is refreshed."""
    person, _ = await world.enrolled()
    tokens = await world.signed_in(person)
    asked = sign_out(tokens.refresh_token)

    await asyncio.gather(*(world.call("SignOut", asked) for _ in range(20)))

    told = await world.refused("RefreshToken", refresh(tokens.refresh_token))
    assert told == ("UNAUTHENTICATED", "SESSION_ENDED")


async def test_a_session_ends_after_twelve_hours(world: Any) -> None:
    """However often it is refreshed."""
    person, _ = await world.enrolled()
    tokens = await world.signed_in(person)

    world.pass_time(hours=12)

    told = await world.refused("RefreshToken", refresh(tokens.refresh_token))
    assert told == ("UNAUTHENTICATED", "SESSION_ENDED")


async def test_an_unknown_sign_in_is_not_found(world: Any) -> None:
    """An id that we did not give."""
    told = await world.refused("CompleteSignIn", completion(str(uuid.uuid4()), "123456"))

    assert told == ("NOT_FOUND", "SIGN_IN_NOT_FOUND")


async def test_the_operator_makes_one_administrator_in_any_race(world: Any) -> None:
    """Eight operators at once, one administrator; then none by the operator, and who they are registers others."""
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
    made = forms[outcomes.index("done")]
    assert await world.call("RegisterOfficer", made, world.service(OPERATOR))
    assert await world.call("RegisterOfficer", clerk, world.officer("administrator"))


async def test_an_officers_token_says_roles_office_and_person(world: Any) -> None:
    """Signed in by staff number with the code on the officer's mobile."""
    person, number = await world.registered(), staff_number()
    form = officer(person, number, "reviewer", "clerk")
    made = await world.call("RegisterOfficer", form, world.officer("administrator"))
    started = await world.call("StartSignIn", by_staff_number(number))

    tokens = await world.call(
        "CompleteSignIn", completion(started.sign_in_id, await world.phones.code(person.mobile))
    )

    caller = verify_access(tokens.access_tokens["notary"], key_set(world.signing), "notary", world.clock())
    assert (caller.kind, caller.id, caller.office) == ("officer", made.officer_id, "cairo-1")
    assert caller.roles == {"reviewer", "clerk"}
    assert (caller.person, caller.channel) == (person.person_id, "post_office")


async def test_an_officer_unknown_to_the_registry_has_a_person_all_the_same(world: Any) -> None:
    """A stand-in that is the same each time, until the registry tells of them."""
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
    """Each belongs to one officer."""
    first = officer(world.stranger(), staff_number(), "reviewer")
    second = officer(world.stranger(), staff_number(), "reviewer")
    await world.call("RegisterOfficer", first, world.officer("administrator"))

    setattr(second, same, getattr(first, same))

    assert await world.refused("RegisterOfficer", second, world.officer("administrator")) == refused


async def test_registration_with_one_request_id_happens_once(world: Any) -> None:
    """Twenty at once by one administrator: one officer, one event."""
    form, administrator = (
        officer(world.stranger(), staff_number(), "reviewer"),
        world.officer("administrator"),
    )

    answers = await asyncio.gather(*(world.call("RegisterOfficer", form, administrator) for _ in range(20)))

    assert len({answer.SerializeToString() for answer in answers}) == 1
    kept = world.database["officers"].find_one({"_id": answers[0].officer_id})
    assert (kept["version"], kept["sequence"]) == (1, 1)
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
async def test_wrong_officers(world: Any, roles: list[str], office: str, refused: tuple[str, str]) -> None:
    """Each wrong form has its own reason."""
    form = officer(world.stranger(), staff_number(), *roles, office=office)

    assert await world.refused("RegisterOfficer", form, world.officer("administrator")) == refused


async def test_officers_are_registered_by_administrators_alone(world: Any) -> None:
    """Not by clerks, other services, citizens or nobody."""
    form = officer(world.stranger(), staff_number(), "reviewer")

    told = [
        await world.refused("RegisterOfficer", form, token)
        for token in ("", world.officer("clerk"), world.service("notary"), world.citizen(str(uuid.uuid4())))
    ]

    assert told == [("UNAUTHENTICATED", "TOKEN_MISSING")] + [("PERMISSION_DENIED", "ACCESS_DENIED")] * 3
