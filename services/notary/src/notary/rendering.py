"""A power of attorney as the API shows it."""

from chassis.mapping import members, to_message
from diwan.notary.v1 import notary_pb2 as pb

from notary.model.content import Kind
from notary.model.power_of_attorney import PowerOfAttorney, ReviewDecision

KIND_OF = members(Kind, pb.PowerOfAttorneyKind)
DECISION_OF = members(ReviewDecision, pb.ReviewDecision)


def shown(case: PowerOfAttorney) -> pb.PowerOfAttorney:
    """Without the verification code: what officers, and the answers to commands, may hold."""
    content = case.content
    return to_message(
        case,
        pb.PowerOfAttorney,
        power_of_attorney_id=case.id,
        kind=content.kind,
        principal_name=content.principal.full_name,
        agent_name=content.agent.full_name,
        terms=content.terms,
        special_terms=content.special_terms,
        governorate=content.governorate,
        verification_code=None,
    )


def shown_to_principal(case: PowerOfAttorney) -> pb.PowerOfAttorney:
    """With the verification code once it is issued."""
    answer = shown(case)
    if case.in_force:
        answer.verification_code = case.verification_code
    return answer


def shown_to_third_party(case: PowerOfAttorney) -> pb.VerifyPowerOfAttorneyResponse:
    """What somebody needs who has the document before them, and no more."""
    principal, agent = case.masked_names()
    return to_message(
        case,
        pb.VerifyPowerOfAttorneyResponse,
        kind=case.content.kind,
        masked_principal_name=principal,
        masked_agent_name=agent,
    )
