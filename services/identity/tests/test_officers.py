"""The end of officers' roles, and the rules that keep administrators from changing their own rights."""

import asyncio
import uuid
from dataclasses import dataclass
from typing import Any

import pytest
from diwan.identity.v1 import events_pb2
from diwan.identity.v1 import identity_pb2 as pb

from .test_revocation import REVOKED, everywhere, refresh, told, uid

pytestmark = [pytest.mark.real, pytest.mark.asyncio(loop_scope="session")]


@dataclass
class Appointed:
    """An officer who was registered by RPC and has signed in."""

    world: Any
    person: Any
    number: str
    officer_id: str
    tokens: pb.TokenPair

    @classmethod
    async def new(cls, world: Any, *roles: str, by: str = "") -> "Appointed":
        person, number = await world.registered(), f"E-{uuid.uuid4().hex[:10].upper()}"
        form = registration(person, number, *roles)
        registered = await world.call("RegisterOfficer", form, by or world.officer("administrator"))
        tokens = await sign_in(world, number, person)
        return cls(world, person, number, registered.officer_id, tokens)

    @property
    def token(self) -> str:
        return str(self.tokens.access_tokens["identity"])


async def sign_in(world: Any, number: str, person: Any) -> pb.TokenPair:
    start = pb.StartSignInRequest(request_id=uid(), staff_number=number, channel="post_office")
    started = await world.call("StartSignIn", start)
    code = await world.phones.code(person.mobile)
    complete = pb.CompleteSignInRequest(request_id=uid(), sign_in_id=started.sign_in_id, code=code)
    tokens: pb.TokenPair = await world.call("CompleteSignIn", complete)
    return tokens


def registration(person: Any, number: str, *roles: str) -> pb.RegisterOfficerRequest:
    return pb.RegisterOfficerRequest(
        request_id=uid(),
        staff_number=number,
        national_id=person.national_id,
        mobile=person.mobile,
        roles=roles,
        office_id="cairo-1",
    )


def end(officer: Appointed, *roles: str, reason: str = "left the service") -> pb.EndRolesRequest:
    return pb.EndRolesRequest(request_id=uid(), officer_id=officer.officer_id, roles=roles, reason=reason)


async def test_an_ended_role_revokes_the_officers_tokens_at_once(world: Any) -> None:
    """The officer cannot sign in any more: the start looks the same, and no code is sent."""
    officer = await Appointed.new(world, "administrator")
    other = world.stranger()
    request = end(officer, "administrator")
    administrator = world.officer("administrator")

    answers = await asyncio.gather(*(world.call("EndRoles", request, administrator) for _ in range(20)))

    assert {answer.SerializeToString() for answer in answers} == {answers[0].SerializeToString()}
    assert list(answers[0].roles) == []
    form = registration(other, "E-OTHER", "auditor")
    assert await world.refused("RegisterOfficer", form, officer.token) == REVOKED
    assert await world.refused("RefreshToken", refresh(officer.tokens)) == (
        "UNAUTHENTICATED",
        "SESSION_ENDED",
    )
    world.pass_time(minutes=2)
    start = pb.StartSignInRequest(request_id=uid(), staff_number=officer.number, channel="post_office")
    assert (await world.call("StartSignIn", start)).sign_in_id
    assert await world.phones.silent(officer.person.mobile)
    message = await told(world, "payments", officer.officer_id)
    assert message.reason == events_pb2.REVOCATION_REASON_ROLES_ENDED
    stored = world.database["officers"].find_one({"_id": officer.officer_id})
    assert stored["version"] == 2
    (ended,) = stored["state"]["ended"]
    assert (ended["roles"], ended["reason"]) == (["administrator"], "left the service")


async def test_the_other_roles_remain(world: Any) -> None:
    """By staff number; the officer signs in again with what is left. A person who has left may be registered again."""
    officer, administrator = await Appointed.new(world, "clerk", "reviewer"), world.officer("administrator")
    by_number = pb.EndRolesRequest(
        request_id=uid(), staff_number=officer.number, roles=["clerk"], reason="moved"
    )

    ended = await world.call("EndRoles", by_number, administrator)

    assert list(ended.roles) == ["reviewer"]
    assert await world.refused("EnrolAtCounter", world.card(world.stranger()), officer.token) == REVOKED
    world.pass_time(minutes=2)
    officer.tokens = await sign_in(world, officer.number, officer.person)
    card = world.card(world.stranger())
    assert await world.refused("EnrolAtCounter", card, officer.token) == (
        "PERMISSION_DENIED",
        "ACCESS_DENIED",
    )
    await world.call("EndRoles", end(officer, "reviewer"), administrator)
    assert await world.call(
        "RegisterOfficer", registration(officer.person, "E-AGAIN", "auditor"), administrator
    )


async def test_wrong_ends_of_roles_are_refused_and_change_nothing(world: Any) -> None:
    """An unknown officer, a role that is not held, invalid fields, and callers who are no administrators."""
    officer, administrator = await Appointed.new(world, "clerk"), world.officer("administrator")
    unknown = pb.EndRolesRequest(request_id=uid(), officer_id=uid(), roles=["clerk"], reason="gone")
    no_subject = pb.EndRolesRequest(request_id=uid(), roles=["clerk"], reason="gone")

    refusals = [
        await world.refused("EndRoles", unknown, administrator),
        await world.refused("EndRoles", end(officer, "clerk", "administrator"), administrator),
        await world.refused("EndRoles", no_subject, administrator),
        await world.refused("EndRoles", end(officer), administrator),
        await world.refused("EndRoles", end(officer, "clerk", reason=""), administrator),
        *[
            await world.refused("EndRoles", end(officer, "clerk"), token)
            for token in ("", world.officer("clerk"), world.service("operator"), world.citizen(uid()))
        ],
    ]

    assert refusals == [
        ("NOT_FOUND", "OFFICER_NOT_FOUND"),
        ("FAILED_PRECONDITION", "ROLE_NOT_HELD"),
        *[("INVALID_ARGUMENT", "VALIDATION")] * 3,
        ("UNAUTHENTICATED", "TOKEN_MISSING"),
        *[("PERMISSION_DENIED", "ACCESS_DENIED")] * 3,
    ]
    assert world.database["officers"].find_one({"_id": officer.officer_id})["version"] == 1


async def test_an_administrator_does_not_appoint_themselves(world: Any) -> None:
    """By their own national ID with another staff number and mobile, for any role, by hand or repeated."""
    administrator = await Appointed.new(world, "administrator")
    own = ("PERMISSION_DENIED", "OWN_RIGHTS")
    for role in ("administrator", "tariff_manager", "auditor"):
        form = registration(administrator.person, f"E-SELF-{role[:3].upper()}", role)
        form.mobile = world.stranger().mobile

        assert await world.refused("RegisterOfficer", form, administrator.token) == own
        assert await world.refused("RegisterOfficer", form, administrator.token) == own

    assert not list(world.database["officers"].find({"state.staff_number": {"$regex": "^E-SELF"}}))


async def test_an_administrator_changes_no_rights_of_a_second_account_of_theirs(world: Any) -> None:
    """One that another administrator has registered for the same person."""
    administrator = await Appointed.new(world, "administrator")
    second = registration(administrator.person, f"E-{uid()[:8].upper()}", "administrator", "auditor")
    second.mobile = (stranger := world.stranger()).mobile
    registered = await world.call("RegisterOfficer", second, world.officer("administrator"))
    account = Appointed(world, stranger, second.staff_number, registered.officer_id, pb.TokenPair())
    account.tokens = await sign_in(world, second.staff_number, stranger)
    own = ("PERMISSION_DENIED", "OWN_RIGHTS")

    assert await world.refused("EndRoles", end(account, "auditor"), administrator.token) == own
    assert await world.refused("EndRoles", end(administrator, "administrator"), account.token) == own
    assert await world.refused("EndRoles", end(account, "administrator"), account.token) == own
    form = registration(administrator.person, f"E-{uid()[:8].upper()}", "tariff_manager")
    assert await world.refused("RegisterOfficer", form, account.token) == own


async def test_an_operator_cannot_replace_an_ended_first_administrator(world: Any) -> None:
    """The operator's key registers one administrator in the life of the platform, also if the role has ended."""
    operator, officers = world.service("operator"), world.database["officers"]
    registered = ""
    if (first := officers.find_one({"state.first": True})) is None:
        form = registration(world.stranger(), f"E-{uid()[:8].upper()}", "administrator")
        registered = (await world.call("RegisterOfficer", form, operator)).officer_id
        first = officers.find_one({"_id": registered})
    request = pb.EndRolesRequest(
        request_id=uid(), officer_id=first["_id"], roles=["administrator"], reason="retired"
    )
    await world.call("EndRoles", request, world.officer("administrator"))

    form = registration(world.stranger(), f"E-{uid()[:8].upper()}", "administrator")
    refused = await world.refused("RegisterOfficer", form, operator)

    assert refused == ("FAILED_PRECONDITION", "ADMINISTRATOR_EXISTS")
    # Another test counts the operator's registrations.
    officers.delete_one({"_id": registered})


async def test_two_administrators_who_end_each_other_leave_one(world: Any) -> None:
    """Both are accepted as callers; the second to be recorded is refused."""
    one, two = [await Appointed.new(world, "administrator") for _ in range(2)]

    async def attempt(by: Appointed, of: Appointed) -> str:
        try:
            await world.call("EndRoles", end(of, "administrator"), by.token)
        except Exception as refused:  # noqa: BLE001 -- compared below
            return str(getattr(refused, "reason", refused))
        return "done"

    outcomes = await asyncio.gather(attempt(one, two), attempt(two, one))

    assert sorted(outcomes) in (["ADMINISTRATOR_ENDED", "done"], ["TOKEN_REVOKED", "done"])
    left = [
        each
        for each in (one, two)
        if world.database["officers"].find_one({"_id": each.officer_id})["state"]["roles"]
    ]
    assert len(left) == 1


async def test_an_interrupted_end_of_an_administrator_is_completed_by_the_repeated_request(
    world: Any,
) -> None:
    """After a crash between its two writes; a new request completes it too."""
    officer, administrator = await Appointed.new(world, "administrator"), world.officer("administrator")
    before = world.database["officers"].find_one({"_id": officer.officer_id})
    request = end(officer, "administrator")
    await world.call("EndRoles", request, administrator)
    world.database["officers"].replace_one({"_id": officer.officer_id}, before)

    again = await world.call("EndRoles", request, administrator)

    assert list(again.roles) == []
    world.database["officers"].replace_one({"_id": officer.officer_id}, before)
    assert list((await world.call("EndRoles", end(officer, "administrator"), administrator)).roles) == []


async def test_an_officer_signs_out_everywhere(world: Any) -> None:
    """The role stays, the tokens do not."""
    officer = await Appointed.new(world, "clerk")

    await world.call("SignOutEverywhere", everywhere(officer.tokens))

    assert await world.refused("EnrolAtCounter", world.card(world.stranger()), officer.token) == REVOKED


async def test_identity_verifies_tokens_for_their_audience_alone(world: Any) -> None:
    """A service asks about tokens for itself; a token that is revoked, forged or for another service is not active."""
    officer, payments = await Appointed.new(world, "tariff_manager"), world.service("payments")

    async def active(token: str) -> bool:
        request = pb.VerifyAccessTokenRequest(access_token=token)
        return bool((await world.call("VerifyAccessToken", request, payments)).active)

    right = officer.tokens.access_tokens["payments"]
    assert await active(right)
    assert not await active(officer.tokens.access_tokens["notary"])
    assert not await active(right[:-4] + "AAAA")
    assert not await active("x" * 40)
    request = pb.VerifyAccessTokenRequest(access_token=right)
    assert await world.refused("VerifyAccessToken", request, world.service("notary")) == (
        "PERMISSION_DENIED",
        "ACCESS_DENIED",
    )
    await world.call("EndRoles", end(officer, "tariff_manager"), world.officer("administrator"))
    assert not await active(right)


async def test_a_clerk_does_not_enrol_themselves_with_a_token_from_before_the_registry_knew_them(
    world: Any,
) -> None:
    """The token then has a substitute person; the national ID of the registration shows who the clerk is."""
    person, number = world.stranger(), f"E-{uuid.uuid4().hex[:10].upper()}"
    await world.call("RegisterOfficer", registration(person, number, "clerk"), world.officer("administrator"))
    tokens = await sign_in(world, number, person)
    await world.registered(person)

    card = world.card(person, mobile=world.stranger().mobile)
    refused = await world.refused("EnrolAtCounter", card, tokens.access_tokens["identity"])

    assert refused == ("PERMISSION_DENIED", "OWN_CASE")
