"""Why notary refuses: a closed set. No message or metadata ever holds a personal datum."""

from typing import ClassVar


class NotaryError(Exception):
    """A refusal by a rule of notary.

    Attributes:
        reason: the reason as callers see it, constant for a class.
        field: the request's field that is wrong, empty when none is.
        metadata: facts that help the caller, never personal.
    """

    reason: ClassVar[str]
    field: ClassVar[str] = ""

    def __init__(self, message: str = "", **metadata: str) -> None:
        super().__init__(message or (type(self).__doc__ or "").splitlines()[0])
        self.message = str(self.args[0])
        self.metadata = metadata


class AgentNotMatched(NotaryError):
    """Nobody of this national ID and first name has an account; which of them is wrong is not told."""

    reason = "AGENT_NOT_MATCHED"
    field = "agent_national_id"


class TooManyDrafts(NotaryError):
    """This account drafted too often; it waits."""

    reason = "TOO_MANY_DRAFTS"


class AgentIsPrincipal(NotaryError):
    """Nobody can be their own agent."""

    reason = "AGENT_IS_PRINCIPAL"
    field = "agent_national_id"


class SpecialTermInvalid(NotaryError):
    """A special term is not plain Arabic text."""

    reason = "SPECIAL_TERM_INVALID"
    field = "special_terms"


class GovernorateNotServed(NotaryError):
    """No notary office serves the principal's governorate."""

    reason = "GOVERNORATE_NOT_SERVED"


class PowerOfAttorneyNotFound(NotaryError):
    """There is no such power of attorney for this caller."""

    reason = "POWER_OF_ATTORNEY_NOT_FOUND"


class NotADraft(NotaryError):
    """It is not a draft any more."""

    reason = "NOT_A_DRAFT"


class KindIsPaid(NotaryError):
    """The fee was paid for another kind; a correction keeps the kind."""

    reason = "KIND_IS_PAID"
    field = "kind"


class ConfirmationInvalid(NotaryError):
    """The confirmation is not valid, has ended, or was used."""

    reason = "CONFIRMATION_INVALID"
    field = "confirmation"


class ConfirmationMismatch(NotaryError):
    """The confirmation is of another content than the draft has now."""

    reason = "CONFIRMATION_MISMATCH"
    field = "confirmation"


class NotAwaitingPayment(NotaryError):
    """No fee is awaited."""

    reason = "NOT_AWAITING_PAYMENT"


class NotAwaitingReview(NotaryError):
    """It does not wait for a reviewer."""

    reason = "NOT_AWAITING_REVIEW"


class QueueEmpty(NotaryError):
    """No case waits that this reviewer may have."""

    reason = "QUEUE_EMPTY"


class CaseAlreadyClaimed(NotaryError):
    """The reviewer has an open case; it is decided first."""

    reason = "CASE_ALREADY_CLAIMED"


class NotYourCase(NotaryError):
    """The case is not claimed by this reviewer."""

    reason = "NOT_YOUR_CASE"


class PartyToCase(NotaryError):
    """Who entered a case or is party to it has no hand in it."""

    reason = "PARTY_TO_CASE"


class ReasonRequired(NotaryError):
    """What is not approved is returned with a reason."""

    reason = "REASON_REQUIRED"
    field = "reason"


class NotApproved(NotaryError):
    """It is not approved."""

    reason = "NOT_APPROVED"


class CaseIncomplete(NotaryError):
    """What would be issued was not confirmed as it stands, or not paid for."""

    reason = "CASE_INCOMPLETE"


class NotIssued(NotaryError):
    """The document is not issued, or not waiting any more."""

    reason = "NOT_ISSUED"


class OtherOffice(NotaryError):
    """The document waits at another office."""

    reason = "OTHER_OFFICE"


class DocumentNotFound(NotaryError):
    """No document has this number and code."""

    reason = "DOCUMENT_NOT_FOUND"


class NumbersExhausted(NotaryError):
    """No free number was found; try again."""

    reason = "NUMBERS_EXHAUSTED"
