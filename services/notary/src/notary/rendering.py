"""Rendering of a power of attorney as API messages."""

from chassis.mapping import members, to_message
from diwan.notary.v1 import notary_pb2 as pb

from notary.model.content import Kind
from notary.model.power_of_attorney import PowerOfAttorney, ReviewDecision

KIND_OF = members(Kind, pb.PowerOfAttorneyKind)
DECISION_OF = members(ReviewDecision, pb.ReviewDecision)


def shown(case: PowerOfAttorney) -> pb.PowerOfAttorney:
    """The case without its verification code, for officers and for responses of commands."""
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
    """The case with its verification code if it is in force."""
    answer = shown(case)
    if case.in_force:
        answer.verification_code = case.verification_code
    return answer


def shown_to_third_party(case: PowerOfAttorney) -> pb.VerifyPowerOfAttorneyResponse:
    """The minimum that verifies a document that a third party holds; names are masked."""
    principal, agent = case.masked_names()
    return to_message(
        case,
        pb.VerifyPowerOfAttorneyResponse,
        kind=case.content.kind,
        masked_principal_name=principal,
        masked_agent_name=agent,
    )
