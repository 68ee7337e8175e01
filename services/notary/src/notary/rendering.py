"""A power of attorney as the API shows it."""

from __future__ import annotations

from collections.abc import Mapping

from chassis.times import timestamp
from diwan.notary.v1 import notary_pb2 as pb

from notary.model.content import Kind
from notary.model.power_of_attorney import PowerOfAttorney, ReviewDecision, State

KINDS: Mapping[Kind, pb.PowerOfAttorneyKind.ValueType] = {
    kind: pb.PowerOfAttorneyKind.Value(f"POWER_OF_ATTORNEY_KIND_{kind.name}") for kind in Kind
}
STATES: Mapping[State, pb.PowerOfAttorneyState.ValueType] = {
    state: pb.PowerOfAttorneyState.Value(f"POWER_OF_ATTORNEY_STATE_{state.name}") for state in State
}
DECISIONS: Mapping[ReviewDecision, pb.ReviewDecision.ValueType] = {
    decision: pb.ReviewDecision.Value(f"REVIEW_DECISION_{decision.name}") for decision in ReviewDecision
}
KIND_OF = {number: kind for kind, number in KINDS.items()}
DECISION_OF = {number: decision for decision, number in DECISIONS.items()}


def shown(case: PowerOfAttorney) -> pb.PowerOfAttorney:
    """Without the verification code: what officers, and the answers to commands, may hold."""
    return pb.PowerOfAttorney(
        power_of_attorney_id=case.id,
        number=case.number,
        state=STATES[case.state],
        kind=KINDS[case.content.kind],
        principal_name=case.content.principal.full_name,
        agent_name=case.content.agent.full_name,
        terms=case.content.terms,
        special_terms=case.content.special_terms,
        digest=case.digest,
        service=case.service,
        governorate=case.content.governorate,
        office_id=case.office_id,
        office_name=case.office_name,
        review_reason=case.review_reason,
        create_time=timestamp(case.create_time),
        issue_time=timestamp(case.issue_time) if case.issue_time else None,
        collect_time=timestamp(case.collect_time) if case.collect_time else None,
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
    return pb.VerifyPowerOfAttorneyResponse(
        in_force=case.in_force,
        state=STATES[case.state],
        kind=KINDS[case.content.kind],
        masked_principal_name=principal,
        masked_agent_name=agent,
        issue_time=timestamp(case.issue_time) if case.issue_time else None,
        document_digest=case.document_digest,
    )
