"""Scenarios of identity's changing RPCs."""

import uuid
from collections.abc import Mapping
from typing import Any

from demo.actors import Citizen, sign_in
from demo.journey import PURPOSE, Journey
from demo.session import Session
from diwan.identity.v1 import identity_pb2 as identity

from .actors import Actors
from .scenario import PrincipalCall, Scenario, count_writes, other_code, varied
from .wire import claims


def start_enrolment(actors: Actors) -> Scenario:
    person = actors.person()
    request = identity.StartEnrolmentRequest(
        request_id=str(uuid.uuid4()),
        first_name=person.first_name,
        mother_first_name=person.mother_first_name,
        national_id=person.national_id,
        mobile=person.mobile,
        channel="portal",
    )
    return Scenario(
        request,
        effect=lambda: {
            "codes": len(actors.probes.codes(person)),
            "enrolments": actors.probes.count("identity", "enrolments", state__mobile=person.mobile),
        },
        once={"codes": 1, "enrolments": 1},
        other=varied(request, channel="mobile_app"),
    )


def complete_enrolment(actors: Actors) -> Scenario:
    started = start_enrolment(actors)
    answer = actors.platform.call("identity", "StartEnrolment", started.request)
    person = actors.used[-1]
    code, _ = actors.phone(person).next_code()
    request = identity.CompleteEnrolmentRequest(
        request_id=str(uuid.uuid4()), enrolment_id=answer.enrolment_id, code=code
    )
    return Scenario(
        request,
        effect=lambda: {
            "events": actors.probes.events("identity", causation=request.request_id),
            "accounts": actors.probes.count("identity", "accounts", state__mobile=person.mobile),
            "contacts": actors.probes.count("notification", "contacts", state__mobile=person.mobile),
            "attempts": count_writes(actors, "identity", "enrolments", answer.enrolment_id) - 1,
        },
        once={"events": ["AccountEnrolled"], "accounts": 1, "contacts": 1, "attempts": 1},
        other=varied(request, code=other_code(code)),
    )


def enrol_at_counter(actors: Actors) -> Scenario:
    person, another = actors.person(), actors.person()
    request = actors.counter_request(person)
    return Scenario(
        request,
        token=actors.session("clerk", "post-0777").token("identity"),
        effect=lambda: {
            "events": actors.probes.events("identity", causation=request.request_id),
            "accounts": actors.probes.count("identity", "accounts", state__mobile=person.mobile),
            "contacts": actors.probes.count("notification", "contacts", state__mobile=person.mobile),
        },
        once={"events": ["AccountEnrolled"], "accounts": 1, "contacts": 1},
        # Another account. The mobile is taken by then, but the reused request id must be the reason.
        other=varied(
            request,
            national_id=another.national_id,
            first_name=another.first_name,
            mother_first_name=another.mother_first_name,
        ),
    )


def start_sign_in(actors: Actors) -> Scenario:
    citizen = actors.enrolled_citizen()
    request = identity.StartSignInRequest(
        request_id=str(uuid.uuid4()), national_id=citizen.person.national_id, channel="portal"
    )
    return Scenario(
        request,
        effect=lambda: {
            "codes": len(actors.probes.codes(citizen.person)),
            "sessions": actors.probes.count("identity", "sessions", state__holder_id=citizen.account_id),
        },
        once={"codes": 1, "sessions": 1},
        other=varied(request, channel="mobile_app"),
    )


def complete_sign_in(actors: Actors) -> Scenario:
    started = start_sign_in(actors)
    sign_in_id = actors.platform.call("identity", "StartSignIn", started.request).sign_in_id
    code, _ = actors.phone(actors.used[-1]).next_code()
    request = identity.CompleteSignInRequest(request_id=str(uuid.uuid4()), sign_in_id=sign_in_id, code=code)
    return Scenario(
        request,
        effect=lambda: session(actors, sign_in_id),
        once={"stage": "open", "generation": 1, "writes": 2},
        other=varied(request, code=other_code(code)),
        comparable=same_session,
        verify_answer=lambda answer: verify_session(actors, Session.of(answer)),
    )


def refresh_token(actors: Actors) -> Scenario:
    citizen, old = sign_in_new_citizen(actors)
    request = identity.RefreshTokenRequest(request_id=str(uuid.uuid4()), refresh_token=old.refresh_token)
    session_id = newest_session(actors, citizen)
    return Scenario(
        request,
        effect=lambda: session(actors, session_id),
        once={"stage": "open", "generation": 2, "writes": 3},
        other=lambda answer: varied(request, refresh_token=answer.refresh_token),
        comparable=same_session,
        verify_answer=lambda answer: verify_session(actors, Session.of(answer)),
    )


def sign_out(actors: Actors) -> Scenario:
    citizen, old = sign_in_new_citizen(actors)
    renewing = identity.RefreshTokenRequest(refresh_token=old.refresh_token)
    new = actors.platform.call("identity", "RefreshToken", renewing)
    request = identity.SignOutRequest(request_id=str(uuid.uuid4()), refresh_token=new.refresh_token)
    session_id = newest_session(actors, citizen)
    return Scenario(
        request,
        effect=lambda: {
            **session(actors, session_id),
            "events": actors.probes.events("identity", causation=request.request_id),
        },
        once={"stage": "ended", "generation": 2, "writes": 4, "events": ["AccessRevoked"]},
        other=varied(request, refresh_token=old.refresh_token),
    )


def sign_out_everywhere(actors: Actors) -> Scenario:
    citizen, old = sign_in_new_citizen(actors)
    new = actors.platform.call(
        "identity", "RefreshToken", identity.RefreshTokenRequest(refresh_token=old.refresh_token)
    )
    request = identity.SignOutEverywhereRequest(request_id=str(uuid.uuid4()), refresh_token=new.refresh_token)
    return Scenario(
        request,
        effect=lambda: {
            "events": actors.probes.events("identity", causation=request.request_id),
            "writes": count_writes(actors, "identity", "accounts", citizen.account_id),
        },
        once={"events": ["AccessRevoked"], "writes": 2},
        other=varied(request, refresh_token=old.refresh_token),
    )


def start_confirmation(actors: Actors) -> Scenario:
    citizen, request = actors.signed_in_citizen(), confirmation_request()
    return Scenario(
        request,
        token=citizen.session.token("identity"),
        effect=lambda: {
            "codes": len(actors.probes.codes(citizen.person)) - 1,  # the first one was for the sign-in
            "confirmations": actors.probes.count(
                "identity", "confirmations", state__account_id=citizen.account_id
            ),
        },
        once={"codes": 1, "confirmations": 1},
        other=varied(request, digest="f" * 64),
    )


def complete_confirmation(actors: Actors) -> Scenario:
    citizen = actors.signed_in_citizen()
    answer = actors.platform.call("identity", "StartConfirmation", confirmation_request(), citizen.session)
    code, _ = citizen.phone.next_code()
    request = identity.CompleteConfirmationRequest(
        request_id=str(uuid.uuid4()), confirmation_id=answer.confirmation_id, code=code
    )
    return Scenario(
        request,
        token=citizen.session.token("identity"),
        effect=lambda: {"writes": count_writes(actors, "identity", "confirmations", answer.confirmation_id)},
        once={"writes": 2},
        other=varied(request, code=other_code(code)),
        comparable=lambda answer: (claims(answer.confirmation), answer.expire_time),
    )


def register_officer(actors: Actors) -> Scenario:
    _, request = actors.officer_request("auditor")
    return Scenario(
        request,
        token=actors.administrator().token("identity"),
        effect=lambda: {
            "events": actors.probes.events("identity", causation=request.request_id),
            "officers": actors.probes.count("identity", "officers", state__staff_number=request.staff_number),
        },
        once={"events": ["OfficerRegistered"], "officers": 1},
        # Another officer. The mobile is taken by then, but the reused request id must be the reason.
        other=varied(request, staff_number=actors.staff_number()),
    )


def end_roles(actors: Actors) -> Scenario:
    officer = actors.new_officer("administrator")
    request = identity.EndRolesRequest(
        request_id=str(uuid.uuid4()),
        officer_id=officer.officer_id,
        roles=["administrator"],
        reason="left the service",
    )

    def effect() -> Mapping[str, Any]:
        (document,) = actors.probes.documents("identity", "officers", _id=officer.officer_id)
        return {
            "events": actors.probes.events("identity", causation=request.request_id),
            "roles": document["state"]["roles"],
            "ended": len(document["state"]["ended"]),
        }

    return Scenario(
        request,
        token=actors.administrator().token("identity"),
        effect=effect,
        once={"events": ["OfficerRolesEnded", "AccessRevoked"], "roles": [], "ended": 1},
        other=varied(request, reason="another reason"),
    )


def confirmation_request() -> identity.StartConfirmationRequest:
    return identity.StartConfirmationRequest(
        request_id=str(uuid.uuid4()), purpose=PURPOSE, digest="0123456789abcdef" * 4
    )


def session(actors: Actors, session_id: str) -> Mapping[str, Any]:
    (document,) = actors.probes.documents("identity", "sessions", _id=session_id)
    state = document["state"]
    return {"stage": state["stage"], "generation": state["generation"], "writes": document["version"]}


def newest_session(actors: Actors, citizen: Citizen) -> str:
    (document,) = actors.probes.documents("identity", "sessions", state__holder_id=citizen.account_id)
    return str(document["_id"])


def sign_in_new_citizen(actors: Actors) -> tuple[Citizen, Session]:
    citizen = actors.enrolled_citizen()
    subject = {"national_id": citizen.person.national_id}
    return citizen, sign_in(actors.platform, citizen.phone, "portal", subject)


def same_session(pair: Any) -> Any:
    """Return the comparable part of a token pair: a repeated answer holds new signatures of the same claims."""
    claims_by_service = {service: claims(token) for service, token in pair.access_tokens.items()}
    return claims_by_service, pair.expire_time, pair.refresh_token


def verify_session(actors: Actors, session: Session) -> None:
    account_id = claims(session.token("identity"))["sub"]
    request = identity.GetAccountRequest(account_id=account_id)
    assert actors.platform.call("identity", "GetAccount", request, session).account_id == account_id


def principal_call(journey: Journey) -> PrincipalCall:
    return "GetAccount", identity.GetAccountRequest(account_id=journey.principal.account_id)


SERVICE = "diwan.identity.v1.IdentityService"
SCENARIOS = {
    "StartEnrolment": start_enrolment,
    "CompleteEnrolment": complete_enrolment,
    "EnrolAtCounter": enrol_at_counter,
    "StartSignIn": start_sign_in,
    "CompleteSignIn": complete_sign_in,
    "RefreshToken": refresh_token,
    "SignOut": sign_out,
    "SignOutEverywhere": sign_out_everywhere,
    "StartConfirmation": start_confirmation,
    "CompleteConfirmation": complete_confirmation,
    "RegisterOfficer": register_officer,
    "EndRoles": end_roles,
}
