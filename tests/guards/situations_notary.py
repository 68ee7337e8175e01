"""Situations of notary's changing RPCs."""

import uuid
from typing import Any

from diwan.notary.v1 import notary_pb2 as notary

from .cast import Cast
from .situation import Situation, booked, told, varied


def draft(cast: Cast) -> Situation:
    principal = cast.signed_in()
    request = cast.drafting()
    other = varied(request)
    other.special_terms[0] += "ه"
    return Situation(
        request,
        token=principal.session.token("notary"),
        effect=lambda: {
            "cases": [
                (case["version"], case["state"]["state"])
                for case in cast.eyes.documents(
                    "notary", "powers_of_attorney", state__content__principal__account_id=principal.account_id
                )
            ]
        },
        once={"cases": [(1, "draft")]},
        other=other,
    )


def submit(cast: Cast) -> Situation:
    principal = cast.signed_in()
    case = cast.drafted(principal)
    request = cast.submitting(principal, case)
    return Situation(
        request,
        token=principal.session.token("notary"),
        effect=lambda: {
            "events": cast.eyes.events("notary", causation=request.request_id),
            "due": told(cast, case, "payment.due"),
        },
        once={"events": ["PowerOfAttorneySubmitted"], "due": 1},
        other=varied(request, confirmation=request.confirmation + "A"),
    )


def claim(cast: Cast) -> Situation:
    cast.paid()
    cast.paid()  # a second claim would find a case
    reviewer = cast.new_officer("reviewer")
    request = notary.ClaimNextReviewRequest(request_id=str(uuid.uuid4()))
    return Situation(
        request,
        token=reviewer.session.token("notary"),
        effect=lambda: {
            "claims": sum(
                claim["reviewer_id"] == reviewer.officer_id
                for case in cast.eyes.documents("notary", "powers_of_attorney")
                for claim in case["state"]["claims"]
            )
        },
        once={"claims": 1},
    )


def decide(cast: Cast) -> Situation:
    case = cast.claimed()
    request = cast.deciding(case)
    return Situation(
        request,
        token=cast.session("reviewer").token("notary"),
        effect=lambda: {
            "events": cast.eyes.events("notary", causation=request.request_id),
            "reviews": reviews(cast, case),
            "documents": cast.eyes.count(
                "notary", "documents", state__power_of_attorney_id=case.power_of_attorney_id
            ),
            "told": told(cast, case, "power_of_attorney.issued"),
        },
        once={"events": ["PowerOfAttorneyApproved"], "reviews": ["approve"], "documents": 1, "told": 1},
        other=varied(request, reason="سبب آخر"),
    )


def reviews(cast: Cast, case: Any) -> list[str]:
    (found,) = cast.eyes.documents("notary", "powers_of_attorney", _id=case.power_of_attorney_id)
    return [review["decision"] for review in found["state"]["reviews"]]


def collect(cast: Cast) -> Situation:
    case = cast.issued()
    request = notary.CollectPowerOfAttorneyRequest(
        request_id=str(uuid.uuid4()), power_of_attorney_id=case.power_of_attorney_id, card_seen=True
    )
    (payment,) = cast.eyes.documents("payments", "payments", state__subject_id=case.power_of_attorney_id)
    return Situation(
        request,
        token=cast.session("clerk", case.office_id).token("notary"),
        effect=lambda: {
            "events": cast.eyes.events("notary", causation=request.request_id),
            "booked": booked(cast, payment["_id"], "due", "settled", "earned"),
            "told": told(cast, case, "power_of_attorney.collected"),
        },
        once={"events": ["PowerOfAttorneyCollected"], "booked": [1, 1, 1], "told": 1},
    )


SITUATIONS = {
    "DraftPowerOfAttorney": draft,
    "SubmitPowerOfAttorney": submit,
    "ClaimNextReview": claim,
    "DecideReview": decide,
    "CollectPowerOfAttorney": collect,
}
