"""The refusals of notary: a closed set, one reason a class. No text or metadata holds a personal datum."""

from chassis.domain import DomainError


class NotaryError(DomainError):
    """Base of the refusals of notary."""


class AgentNotMatched(NotaryError):
    """Nobody of this national ID and first name has an account; which of them is wrong is not told."""

    reason = "AGENT_NOT_MATCHED"
    code = "FAILED_PRECONDITION"
    field = "agent_national_id"


class TooManyDrafts(NotaryError):
    """This account drafted too often; it waits."""

    reason = "TOO_MANY_DRAFTS"
    code = "RESOURCE_EXHAUSTED"


class AgentIsPrincipal(NotaryError):
    """Nobody can be their own agent."""

    reason = "AGENT_IS_PRINCIPAL"
    code = "INVALID_ARGUMENT"
    field = "agent_national_id"


class SpecialTermInvalid(NotaryError):
    """A special term is not plain Arabic text."""

    reason = "SPECIAL_TERM_INVALID"
    code = "INVALID_ARGUMENT"
    field = "special_terms"


class GovernorateNotServed(NotaryError):
    """No notary office serves the principal's governorate."""

    reason = "GOVERNORATE_NOT_SERVED"
    code = "FAILED_PRECONDITION"


class PowerOfAttorneyNotFound(NotaryError):
    """There is no such power of attorney for this caller."""

    reason = "POWER_OF_ATTORNEY_NOT_FOUND"
    code = "NOT_FOUND"


class NotADraft(NotaryError):
    """It is not a draft any more."""

    reason = "NOT_A_DRAFT"
    code = "FAILED_PRECONDITION"


class KindIsPaid(NotaryError):
    """The fee was paid for another kind; a correction keeps the kind."""

    reason = "KIND_IS_PAID"
    code = "FAILED_PRECONDITION"
    field = "kind"


class ConfirmationInvalid(NotaryError):
    """The confirmation is not valid, has ended, or was used."""

    reason = "CONFIRMATION_INVALID"
    code = "FAILED_PRECONDITION"
    field = "confirmation"


class ConfirmationMismatch(NotaryError):
    """The confirmation is of another content than the draft has now."""

    reason = "CONFIRMATION_MISMATCH"
    code = "FAILED_PRECONDITION"
    field = "confirmation"


class NotAwaitingPayment(NotaryError):
    """No fee is awaited."""

    reason = "NOT_AWAITING_PAYMENT"
    code = "FAILED_PRECONDITION"


class NotAwaitingReview(NotaryError):
    """It does not wait for a reviewer."""

    reason = "NOT_AWAITING_REVIEW"
    code = "FAILED_PRECONDITION"


class QueueEmpty(NotaryError):
    """No case waits that this reviewer may have."""

    reason = "QUEUE_EMPTY"
    code = "NOT_FOUND"


class CaseAlreadyClaimed(NotaryError):
    """The reviewer has an open case; it is decided first."""

    reason = "CASE_ALREADY_CLAIMED"
    code = "FAILED_PRECONDITION"


class NotYourCase(NotaryError):
    """The case is not claimed by this reviewer."""

    reason = "NOT_YOUR_CASE"
    code = "PERMISSION_DENIED"


class PartyToCase(NotaryError):
    """Who entered a case or is party to it has no hand in it."""

    reason = "PARTY_TO_CASE"
    code = "PERMISSION_DENIED"


class ReasonRequired(NotaryError):
    """What is not approved is returned with a reason."""

    reason = "REASON_REQUIRED"
    code = "INVALID_ARGUMENT"
    field = "reason"


class NotApproved(NotaryError):
    """It is not approved."""

    reason = "NOT_APPROVED"
    code = "FAILED_PRECONDITION"


class CaseIncomplete(NotaryError):
    """What would be issued was not confirmed as it stands, or not paid for."""

    reason = "CASE_INCOMPLETE"
    code = "FAILED_PRECONDITION"


class NotIssued(NotaryError):
    """The document is not issued, or not waiting any more."""

    reason = "NOT_ISSUED"
    code = "FAILED_PRECONDITION"


class OtherOffice(NotaryError):
    """The document waits at another office."""

    reason = "OTHER_OFFICE"
    code = "PERMISSION_DENIED"


class DocumentNotFound(NotaryError):
    """No document has this number and code."""

    reason = "DOCUMENT_NOT_FOUND"
    code = "NOT_FOUND"


class NumbersExhausted(NotaryError):
    """No free number was found; try again."""

    reason = "NUMBERS_EXHAUSTED"
    code = "ABORTED"
