"""The errors of notary: a closed set, one reason for each class. No text or metadata contains personal data."""

from chassis.domain import DomainError


class NotaryError(DomainError):
    """Base of the errors of notary."""


class AgentNotMatched(NotaryError):
    """No account matches this national ID and first name."""

    # The text does not reveal which of the two is wrong.

    reason = "AGENT_NOT_MATCHED"
    code = "FAILED_PRECONDITION"
    field = "agent_national_id"


class NationalIdInvalid(NotaryError):
    """The agent's national ID is not well-formed."""

    reason = "NATIONAL_ID_INVALID"
    code = "INVALID_ARGUMENT"
    field = "agent_national_id"


class TooManyDrafts(NotaryError):
    """The account has reached its limit of drafts per hour; wait before the next draft."""

    reason = "TOO_MANY_DRAFTS"
    code = "RESOURCE_EXHAUSTED"


class AgentIsPrincipal(NotaryError):
    """The agent must not be the principal."""

    reason = "AGENT_IS_PRINCIPAL"
    code = "INVALID_ARGUMENT"
    field = "agent_national_id"


class NameUnprintable(NotaryError):
    """A party's name in the civil registry cannot be printed; the registry must correct it."""

    reason = "NAME_UNPRINTABLE"
    code = "FAILED_PRECONDITION"


class SpecialTermInvalid(NotaryError):
    """A special term is not plain Arabic text, or has a word or marks that cannot be printed."""

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
    """The power of attorney is not a draft."""

    reason = "NOT_A_DRAFT"
    code = "FAILED_PRECONDITION"


class KindIsPaid(NotaryError):
    """The fee was paid for another kind; a correction must keep the kind."""

    reason = "KIND_IS_PAID"
    code = "FAILED_PRECONDITION"
    field = "kind"


class ConfirmationInvalid(NotaryError):
    """The confirmation is not valid, has expired, or was used."""

    reason = "CONFIRMATION_INVALID"
    code = "FAILED_PRECONDITION"
    field = "confirmation"


class ConfirmationMismatch(NotaryError):
    """The confirmation does not match the draft's current content."""

    reason = "CONFIRMATION_MISMATCH"
    code = "FAILED_PRECONDITION"
    field = "confirmation"


class NotAwaitingPayment(NotaryError):
    """The power of attorney does not await a payment."""

    reason = "NOT_AWAITING_PAYMENT"
    code = "FAILED_PRECONDITION"


class NotAwaitingReview(NotaryError):
    """The power of attorney does not await a review."""

    reason = "NOT_AWAITING_REVIEW"
    code = "FAILED_PRECONDITION"


class QueueEmpty(NotaryError):
    """No waiting case is available to this reviewer."""

    reason = "QUEUE_EMPTY"
    code = "NOT_FOUND"


class CaseAlreadyClaimed(NotaryError):
    """The reviewer has an open case, which must be decided first."""

    reason = "CASE_ALREADY_CLAIMED"
    code = "FAILED_PRECONDITION"


class NotYourCase(NotaryError):
    """The case is not claimed by this reviewer."""

    reason = "NOT_YOUR_CASE"
    code = "PERMISSION_DENIED"


class PartyToCase(NotaryError):
    """An officer must not handle a case that they entered or are a party to."""

    reason = "PARTY_TO_CASE"
    code = "PERMISSION_DENIED"


class ReasonRequired(NotaryError):
    """A correction or refusal requires a reason."""

    reason = "REASON_REQUIRED"
    code = "INVALID_ARGUMENT"
    field = "reason"


class NotApproved(NotaryError):
    """The power of attorney is not approved."""

    reason = "NOT_APPROVED"
    code = "FAILED_PRECONDITION"


class CaseIncomplete(NotaryError):
    """The current content is not confirmed, or its fee is not paid."""

    reason = "CASE_INCOMPLETE"
    code = "FAILED_PRECONDITION"


class NotIssued(NotaryError):
    """The document is not issued, or was already collected."""

    reason = "NOT_ISSUED"
    code = "FAILED_PRECONDITION"


class OtherOffice(NotaryError):
    """The document is assigned to another office."""

    reason = "OTHER_OFFICE"
    code = "PERMISSION_DENIED"


class DocumentNotFound(NotaryError):
    """No document matches this number and verification code."""

    reason = "DOCUMENT_NOT_FOUND"
    code = "NOT_FOUND"


class NumbersExhausted(NotaryError):
    """No free number was found; try again."""

    reason = "NUMBERS_EXHAUSTED"
    code = "ABORTED"
