"""Fields from people and integrators, in their spellings, on the running service."""

import uuid
from dataclasses import replace
from datetime import datetime, time, timedelta
from typing import Any

import pytest
from chassis.times import CAIRO, cairo_day
from diwan.identity.v1 import identity_pb2 as pb

pytestmark = [pytest.mark.real, pytest.mark.asyncio(loop_scope="session")]

ARABIC = str.maketrans("0123456789", "٠١٢٣٤٥٦٧٨٩")
PERSIAN = str.maketrans("0123456789", "۰۱۲۳۴۵۶۷۸۹")


def spaced(text: str) -> str:
    return " ".join(text)


async def test_a_citizen_enrols_and_signs_in_with_an_arabic_keyboard(world: Any) -> None:
    """Arabic-Indic and Persian digits, blanks, letters for digits, ids in capitals."""
    person = await world.registered()
    local = "0" + person.mobile.removeprefix("+20")
    start = world.enrolment(
        person,
        request_id=str(uuid.uuid4()).upper(),
        national_id=f"\u200f{person.national_id.translate(ARABIC)}",
        mobile=spaced(local.translate(PERSIAN)),
    )

    started = await world.call("StartEnrolment", start)
    code = await world.phones.code(person.mobile)
    account = await world.call(
        "CompleteEnrolment",
        pb.CompleteEnrolmentRequest(
            request_id=str(uuid.uuid4()),
            enrolment_id=started.enrolment_id.upper(),
            code=code.translate(ARABIC),
        ),
    )
    sign_in = await world.call(
        "StartSignIn",
        pb.StartSignInRequest(
            request_id=str(uuid.uuid4()), national_id=person.national_id.replace("0", "o"), channel="portal"
        ),
    )
    code = await world.phones.code(person.mobile)
    tokens = await world.call(
        "CompleteSignIn",
        pb.CompleteSignInRequest(
            request_id=str(uuid.uuid4()),
            sign_in_id=sign_in.sign_in_id.upper(),
            code=f"{code[:3]} {code[3:]}".replace("1", "l").replace("0", "O"),
        ),
    )

    assert tokens.refresh_token
    own = pb.GetAccountRequest(account_id=account.account_id.upper())
    assert (
        await world.call("GetAccount", own, world.citizen(account.account_id))
    ).account_id == account.account_id


async def test_one_request_in_two_spellings_has_one_effect(world: Any) -> None:
    """A client that repeats it may normalise what the first attempt did not."""
    person = await world.registered()
    request_id = str(uuid.uuid4())
    typed = world.enrolment(
        person,
        request_id=request_id.upper(),
        national_id=person.national_id.translate(ARABIC),
        mobile=person.mobile[2:],
    )

    first = await world.call("StartEnrolment", typed)
    again = await world.call("StartEnrolment", world.enrolment(person, request_id=request_id))

    assert again == first
    assert await world.phones.code(person.mobile)
    assert await world.phones.silent(person.mobile)


async def test_an_unclear_text_is_refused_by_its_field(world: Any) -> None:
    """The refusal names field and rule, never the value."""
    person = world.stranger()
    typed = person.national_id[:-1] + "B"

    refusal = await world.refusal(
        "StartEnrolment", world.enrolment(person, national_id=typed, mobile="+1 012 3456 7890")
    )

    assert (refusal.code, refusal.reason) == ("INVALID_ARGUMENT", "VALIDATION")
    assert "('national_id', 'string.national_id')" in str(refusal)
    assert "('mobile', 'string.mobile')" in str(refusal)
    assert typed not in str(refusal)


async def test_a_staff_number_in_small_letters_is_the_same(world: Any) -> None:
    """It is registered and found in one form."""
    number, person = f"S-{uuid.uuid4().hex[:10]}", world.stranger()
    token = world.officer("administrator")

    def registration(staff_number: str, mobile: str) -> pb.RegisterOfficerRequest:
        return pb.RegisterOfficerRequest(
            request_id=str(uuid.uuid4()),
            staff_number=staff_number,
            national_id=person.national_id,
            mobile=mobile,
            roles=["reviewer"],
        )

    officer = await world.call("RegisterOfficer", registration(f" {number.lower()} ", person.mobile), token)
    again = await world.refused(
        "RegisterOfficer", registration(number.upper(), world.stranger().mobile), token
    )

    assert officer.staff_number == number.upper()
    assert again == ("ALREADY_EXISTS", "STAFF_NUMBER_TAKEN")
    end = pb.EndRolesRequest(
        request_id=str(uuid.uuid4()),
        staff_number=f" {number.lower()} ",
        roles=["reviewer"],
        reason="left the service",
    )
    assert (await world.call("EndRoles", end, token)).officer_id == officer.officer_id


async def test_a_record_of_the_registry_is_read_in_any_spelling(world: Any) -> None:
    """Person id in capitals, national ID in Arabic-Indic digits; a correction in plain form is of the same person."""
    person = world.stranger()
    typed = replace(
        person, person_id=person.person_id.upper(), national_id=person.national_id.translate(ARABIC)
    )

    world.publish(typed)
    await world.until(lambda: world.person(person))
    world.publish(replace(person, full_name="أحمد محمود السيد"))
    await world.until(lambda: world.person(person)["state"]["full_name"] == "أحمد محمود السيد")

    assert world.person(person)["state"]["national_id"] == person.national_id
    assert world.database["persons"].count_documents({"state.national_id": person.national_id}) == 1


@pytest.mark.parametrize(
    ("registered", "typed"),
    [
        ("جمال", "گمال"),
        ("فيكتور", "ڤيكتور"),
        ("عبد الله", "عبد-الله"),
        ("رضا", "رضا’"),
        ("طاهر", "طاہر"),
        ("كريم", "ﻛﺮﯾﻢ"),
        ("فاطمة الزهراء", "فاطمۃ الزھراء"),
    ],
)
async def test_a_name_matches_in_another_spelling_and_is_stored_as_registered(
    world: Any, registered: str, typed: str
) -> None:
    """The agent's first name is typed in another spelling; the case has that of the registry."""
    full_name = f"{registered} عبد-الرحمن ڤهمي"
    person, account = await world.enrolled(
        replace(world.stranger(), first_name=registered, full_name=full_name)
    )
    request = pb.GetAccountRequest(purpose="agent", national_id=person.national_id, first_name=typed)

    found = await world.call("GetAccount", request, world.service("notary"))

    assert (found.account_id, found.full_name) == (account.account_id, full_name)


async def test_a_child_born_today_is_registered_just_after_midnight_in_cairo(world: Any) -> None:
    """It is still yesterday by UTC. A child born tomorrow is refused."""
    today = cairo_day(world.clock()) + timedelta(days=1)
    before = world.clock.offset
    world.clock.offset += datetime.combine(today, time(0, 1), CAIRO) - world.clock()

    def born(day: Any) -> str:
        number = world.stranger().national_id
        return f"3{day:%y%m%d}{number[7:]}"

    try:
        child = await world.registered(replace(world.stranger(), national_id=born(today)))
        parked = world.publish(replace(world.stranger(), national_id=born(today + timedelta(days=1))))
        entry = await world.parked(parked)
    finally:
        world.clock.offset = before

    assert world.person(child)["state"]["national_id"] == child.national_id
    assert "NATIONAL_ID_INVALID" in entry
