"""Scenarios of notary's changing RPCs."""

import uuid
from typing import Any

from demo.journey import Journey
from diwan.notary.v1 import notary_pb2 as notary

from .actors import Actors
from .scenario import PrincipalCall, Scenario, count_entries, count_messages, varied


def draft(actors: Actors) -> Scenario:
    principal = actors.signed_in_citizen()
    request = actors.draft_request()
    other = varied(request)
    other.special_terms[0] += "ه"
    return Scenario(
        request,
        token=principal.session.token("notary"),
        effect=lambda: {
            "cases": [
                (case["version"], case["state"]["state"])
                for case in actors.probes.documents(
                    "notary", "powers_of_attorney", state__content__principal__account_id=principal.account_id
                )
            ]
        },
        once={"cases": [(1, "draft")]},
        other=other,
    )


def submit(actors: Actors) -> Scenario:
    principal = actors.signed_in_citizen()
    case = actors.create_draft(principal)
    request = actors.submit_request(principal, case)
    return Scenario(
        request,
        token=principal.session.token("notary"),
        effect=lambda: {
            "events": actors.probes.events("notary", causation=request.request_id),
            "due": count_messages(actors, case, "payment.due"),
        },
        once={"events": ["PowerOfAttorneySubmitted"], "due": 1},
        other=varied(request, confirmation=request.confirmation + "A"),
    )


def claim(actors: Actors) -> Scenario:
    actors.create_paid_case()
    actors.create_paid_case()  # a second claim would find a case
    reviewer = actors.new_officer("reviewer")
    request = notary.ClaimNextReviewRequest(request_id=str(uuid.uuid4()))
    return Scenario(
        request,
        token=reviewer.session.token("notary"),
        effect=lambda: {
            "claims": sum(
                claim["reviewer_id"] == reviewer.officer_id
                for case in actors.probes.documents("notary", "powers_of_attorney")
                for claim in case["state"]["claims"]
            )
        },
        once={"claims": 1},
    )


def decide(actors: Actors) -> Scenario:
    case = actors.claim_case()
    request = actors.decision_request(case)
    return Scenario(
        request,
        token=actors.session("reviewer").token("notary"),
        effect=lambda: {
            "events": actors.probes.events("notary", causation=request.request_id),
            "reviews": reviews(actors, case),
            "documents": actors.probes.count(
                "notary", "documents", state__power_of_attorney_id=case.power_of_attorney_id
            ),
            "messages": count_messages(actors, case, "power_of_attorney.issued"),
        },
        once={"events": ["PowerOfAttorneyApproved"], "reviews": ["approve"], "documents": 1, "messages": 1},
        other=varied(request, reason="سبب آخر"),
    )


def reviews(actors: Actors, case: Any) -> list[str]:
    (document,) = actors.probes.documents("notary", "powers_of_attorney", _id=case.power_of_attorney_id)
    return [review["decision"] for review in document["state"]["reviews"]]


def collect(actors: Actors) -> Scenario:
    case = actors.create_issued_case()
    request = notary.CollectPowerOfAttorneyRequest(
        request_id=str(uuid.uuid4()), power_of_attorney_id=case.power_of_attorney_id, card_seen=True
    )
    (payment,) = actors.probes.documents("payments", "payments", state__subject_id=case.power_of_attorney_id)
    return Scenario(
        request,
        token=actors.session("clerk", case.office_id).token("notary"),
        effect=lambda: {
            "events": actors.probes.events("notary", causation=request.request_id),
            "entries": count_entries(actors, payment["_id"], "due", "settled", "earned"),
            "messages": count_messages(actors, case, "power_of_attorney.collected"),
        },
        once={"events": ["PowerOfAttorneyCollected"], "entries": [1, 1, 1], "messages": 1},
    )


def principal_call(journey: Journey) -> PrincipalCall:
    request = notary.GetPowerOfAttorneyRequest(power_of_attorney_id=journey.case.power_of_attorney_id)
    return "GetPowerOfAttorney", request


SERVICE = "diwan.notary.v1.PowerOfAttorneyService"
SCENARIOS = {
    "DraftPowerOfAttorney": draft,
    "SubmitPowerOfAttorney": submit,
    "ClaimNextReview": claim,
    "DecideReview": decide,
    "CollectPowerOfAttorney": collect,
}
