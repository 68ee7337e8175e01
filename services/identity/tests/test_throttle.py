"""Attacks on the limits of codes: a stranger neither locks out nor floods the owner of an account."""

import asyncio
import base64
import json
import uuid
from typing import Any

import pytest
from diwan.identity.v1 import identity_pb2 as pb

from .conftest import Refusal

pytestmark = [pytest.mark.real, pytest.mark.asyncio(loop_scope="session")]

HOME, ATTACKER = "41.32.0.1", "198.51.100.1"
TOO_MANY, TOO_SOON = ("RESOURCE_EXHAUSTED", "TOO_MANY_STARTS"), ("RESOURCE_EXHAUSTED", "CODE_TOO_SOON")


def start(national_id: str, device: str = "") -> pb.StartSignInRequest:
    return pb.StartSignInRequest(
        request_id=str(uuid.uuid4()), national_id=national_id, channel="portal", device_token=device
    )


async def outcome(world: Any, address: str, request: Any, token: str = "") -> tuple[str, str]:
    """The code and reason of a call for a user at this address; OK without a reason if it succeeds."""
    rpc = type(request).__name__.removesuffix("Request")
    try:
        await world.call_from(address, rpc, request, token)
    except Refusal as refusal:
        return refusal.code, refusal.reason
    return "OK", ""


async def flood(world: Any, request: Any, addresses: list[str], times: int = 10) -> list[tuple[str, str]]:
    """Start again and again from these addresses, a minute and a second apart; return the outcomes."""
    outcomes = []
    for number in range(times):
        again = type(request)()
        again.CopyFrom(request)
        again.request_id = str(uuid.uuid4())
        outcomes.append(await outcome(world, addresses[number % len(addresses)], again))
        world.pass_time(seconds=61)
    return outcomes


async def sign_in(world: Any, person: Any, address: str, device: str = "") -> pb.TokenPair:
    """Sign in from an address; return the tokens."""
    await world.phones.silent(person.mobile, seconds=0.3)  # codes of an attack before
    started = await world.call_from(address, "StartSignIn", start(person.national_id, device))
    return await world.call(
        "CompleteSignIn",
        pb.CompleteSignInRequest(
            request_id=str(uuid.uuid4()),
            sign_in_id=started.sign_in_id,
            code=await world.phones.code(person.mobile),
        ),
    )


async def drained(world: Any, mobile: str) -> int:
    """Read all codes that arrived at a mobile; return their number."""
    count = 0
    while not await world.phones.silent(mobile, seconds=0.7):
        count += 1
    return count


async def test_an_attacker_does_not_lock_out_the_owner_at_home(world: Any) -> None:
    person, _ = await world.enrolled()

    attack = await flood(world, start(person.national_id), [ATTACKER])

    assert attack == [("OK", "")] * 5 + [TOO_MANY] * 5
    await drained(world, person.mobile)
    assert (await sign_in(world, person, HOME)).refresh_token


async def test_an_attacker_who_asks_slowly_for_a_day_does_not_lock_out_the_owner_at_home(world: Any) -> None:
    """Five codes an hour, below the limit per hour, until the limit per day."""
    person, _ = await world.enrolled()
    attack = []
    for _ in range(6):
        attack += await flood(world, start(person.national_id), [ATTACKER], 5)
        world.pass_time(hours=1)

    assert attack == [("OK", "")] * 10 + [TOO_MANY] * 20
    await drained(world, person.mobile)
    assert (await sign_in(world, person, HOME)).refresh_token


async def test_attackers_at_many_addresses_do_not_lock_out_a_known_device(world: Any) -> None:
    person, _ = await world.enrolled()
    device = (await sign_in(world, person, HOME)).device_token
    addresses = [f"198.51.100.{n}" for n in range(1, 30)]

    attack = await flood(world, start(person.national_id), addresses, 24)

    assert attack[-1] == TOO_MANY
    assert await outcome(world, HOME, start(person.national_id)) == TOO_MANY
    await drained(world, person.mobile)
    assert (await sign_in(world, person, "203.0.113.7", device)).refresh_token


async def test_the_number_of_unwanted_codes_is_limited(world: Any) -> None:
    """Ten an hour and twenty a day, from any number of addresses."""
    person, _ = await world.enrolled()
    addresses = [f"198.51.100.{n}" for n in range(1, 60)]

    first = await flood(world, start(person.national_id), addresses, 30)
    world.pass_time(hours=2)
    second = await flood(world, start(person.national_id), addresses, 30)
    world.pass_time(hours=2)
    third = await flood(world, start(person.national_id), addresses, 30)

    assert [attack.count(("OK", "")) for attack in (first, second, third)] == [10, 10, 0]
    assert await drained(world, person.mobile) == 20
    world.pass_time(days=1)


async def test_known_and_unknown_persons_are_answered_alike(world: Any) -> None:
    """Through a whole attack: the limits are no oracle."""
    person, _ = await world.enrolled()
    stranger = world.stranger()
    addresses = [ATTACKER, ATTACKER, "198.51.100.2"]

    known, unknown = [await flood(world, start(one.national_id), addresses, 14) for one in (person, stranger)]

    assert known == unknown
    assert TOO_MANY in known
    await drained(world, person.mobile)


@pytest.mark.parametrize("kind", ["national ID", "mobile"])
async def test_an_attacker_does_not_lock_out_an_enrolment(world: Any, kind: str) -> None:
    person, other = await world.registered(), world.stranger()
    victim = {"national_id": person.national_id} if kind == "national ID" else {"mobile": person.mobile}

    attack = await flood(world, world.enrolment(other, **victim), [ATTACKER])

    assert attack[-1] == TOO_MANY
    assert await outcome(world, HOME, world.enrolment(person)) == ("OK", "")
    assert await world.phones.code(person.mobile)


async def test_an_attacker_does_not_lock_out_an_officer(world: Any) -> None:
    person = await world.registered()
    number = f"S-{uuid.uuid4().hex[:10].upper()}"
    registration = pb.RegisterOfficerRequest(
        request_id=str(uuid.uuid4()),
        staff_number=number,
        national_id=person.national_id,
        mobile=person.mobile,
        roles=["reviewer"],
        office_id="cairo-1",
    )
    await world.call("RegisterOfficer", registration, world.officer("administrator"))
    request = pb.StartSignInRequest(
        request_id=str(uuid.uuid4()), staff_number=number, channel="service_centre"
    )

    attack = await flood(world, request, [ATTACKER])

    assert attack[-1] == TOO_MANY
    request.request_id = str(uuid.uuid4())
    assert await outcome(world, HOME, request) == ("OK", "")
    await drained(world, person.mobile)


async def test_a_pause_is_required_of_each_source_alone(world: Any) -> None:
    person, _ = await world.enrolled()

    outcomes = [
        await outcome(world, address, start(person.national_id)) for address in (ATTACKER, ATTACKER, HOME)
    ]

    assert outcomes == [("OK", ""), TOO_SOON, ("OK", "")]
    await drained(world, person.mobile)


async def test_a_refusal_states_the_pause(world: Any) -> None:
    """In the metadata, in seconds."""
    person = world.stranger()
    await world.call_from(ATTACKER, "StartSignIn", start(person.national_id))

    with pytest.raises(Refusal) as refused:
        await world.call_from(ATTACKER, "StartSignIn", start(person.national_id))

    assert 1 <= int(refused.value.metadata["retry_after_seconds"]) <= 60


@pytest.mark.parametrize("wrong", ["other account", "changed", "no token", "refresh token", "long"])
async def test_a_wrong_device_token_counts_as_none(world: Any, wrong: str) -> None:
    person, _ = await world.enrolled()
    other, _ = await world.enrolled()
    tokens = await sign_in(world, other, HOME)
    own = (await sign_in(world, person, HOME)).device_token
    device = {
        "other account": tokens.device_token,
        "changed": own[:-1] + ("0" if own[-1] != "0" else "1"),
        "no token": "device",
        "refresh token": tokens.refresh_token,
        "long": own + "0" * 50,
    }[wrong]
    world.pass_time(minutes=2)
    attack = await flood(world, start(person.national_id, device), [ATTACKER])

    assert attack == [("OK", "")] * 5 + [TOO_MANY] * 5
    # A known device, at any address, would have used up its limit.
    assert await outcome(world, HOME, start(person.national_id, device)) == ("OK", "")
    await drained(world, person.mobile)


@pytest.mark.parametrize("end", ["sign out", "sign out everywhere", "reuse", "90 days"])
async def test_a_device_is_forgotten_with_its_session(world: Any, end: str) -> None:
    person, _ = await world.enrolled()
    tokens = await sign_in(world, person, HOME)
    fresh = {"request_id": str(uuid.uuid4())}
    if end == "sign out":
        await world.call("SignOut", pb.SignOutRequest(**fresh, refresh_token=tokens.refresh_token))
    elif end == "sign out everywhere":
        request = pb.SignOutEverywhereRequest(**fresh, refresh_token=tokens.refresh_token)
        await world.call("SignOutEverywhere", request)
    elif end == "reuse":
        await world.call("RefreshToken", pb.RefreshTokenRequest(**fresh, refresh_token=tokens.refresh_token))
        again = pb.RefreshTokenRequest(request_id=str(uuid.uuid4()), refresh_token=tokens.refresh_token)
        await world.refused("RefreshToken", again)
    else:
        world.pass_time(days=90)
    world.pass_time(minutes=2)

    attack = await flood(world, start(person.national_id, tokens.device_token), [ATTACKER])

    assert attack[-1] == TOO_MANY
    assert await outcome(world, "198.51.100.9", start(person.national_id, tokens.device_token)) == ("OK", "")
    assert await outcome(world, "198.51.100.9", start(person.national_id, tokens.device_token)) == TOO_SOON
    await drained(world, person.mobile)


async def test_a_device_stays_known_after_a_refresh_and_the_end_of_its_session(world: Any) -> None:
    person, _ = await world.enrolled()
    tokens = await sign_in(world, person, HOME)
    again = await world.call(
        "RefreshToken",
        pb.RefreshTokenRequest(request_id=str(uuid.uuid4()), refresh_token=tokens.refresh_token),
    )
    world.pass_time(days=80)
    await flood(world, start(person.national_id), [f"198.51.100.{n}" for n in range(1, 20)], 12)
    await drained(world, person.mobile)

    assert again.device_token == tokens.device_token
    assert (await sign_in(world, person, ATTACKER, tokens.device_token)).refresh_token


@pytest.mark.parametrize("speaker", ["an invalid token", "another service", "a citizen"])
async def test_only_a_front_service_states_an_address(world: Any, speaker: str) -> None:
    """Everybody else is counted by the address that they call from."""
    person, account = await world.enrolled()
    token = {
        "another service": world.service("notary"),
        "a citizen": world.citizen(account.account_id),
        "an invalid token": "x.y.z",
    }[speaker]

    first = await outcome(world, HOME, start(person.national_id), token)
    second = await outcome(world, ATTACKER, start(person.national_id), token)

    assert (first, second) == (("OK", ""), TOO_SOON)
    await drained(world, person.mobile)


@pytest.mark.parametrize(
    ("first", "second", "same"),
    [
        ("2001:db8:1:2::1", "2001:db8:1:2:ffff::9", True),
        ("2001:db8:1:2::1", "2001:db8:1:3::1", False),
        ("::ffff:192.0.2.1", "192.0.2.1", True),
        ("192.0.2.1", "192.0.2.2", False),
        ("not an address", "neither", True),
    ],
)
async def test_addresses_of_one_subscriber_are_one_source(
    world: Any, first: str, second: str, same: bool
) -> None:
    """An IPv6 subscriber has a network of 64 bits; a wrong statement counts as none."""
    person = world.stranger()

    outcomes = [await outcome(world, address, start(person.national_id)) for address in (first, second)]

    assert outcomes == [("OK", ""), TOO_SOON if same else ("OK", "")]


async def test_the_same_request_is_counted_once(world: Any) -> None:
    """Also when it is repeated from another address, and by several callers at a time."""
    person, _ = await world.enrolled()
    request = start(person.national_id)

    answers = await asyncio.gather(*(world.call_from(HOME, "StartSignIn", request) for _ in range(8)))

    assert len({answer.sign_in_id for answer in answers}) == 1
    assert await drained(world, person.mobile) == 1


async def test_no_address_and_no_device_token_is_stored_or_logged(world: Any) -> None:
    person, _ = await world.enrolled()
    tokens = await sign_in(world, person, "203.0.113.99")
    world.pass_time(minutes=2)
    await sign_in(world, person, "203.0.113.99", tokens.device_token)
    await world.answered()

    stored = json.dumps(
        [list(world.database[name].find()) for name in world.database.list_collection_names()], default=str
    )
    secret = tokens.device_token.partition(".")[2]
    assert "203.0.113" not in stored
    assert secret not in stored
    assert base64.b64encode(secret.encode()).decode() not in stored
    assert "203.0.113" not in world.logs.getvalue()
    assert secret not in world.logs.getvalue()
