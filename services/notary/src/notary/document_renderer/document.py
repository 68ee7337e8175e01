"""What is printed: a power of attorney's facts, as the renderer takes them."""

from dataclasses import dataclass
from datetime import datetime

from chassis.domain import DomainError

TEXT_LIMIT = 40_000
"""Letters in one document; more is a mistake or an attack, not a power of attorney."""


class DocumentError(DomainError):
    """The document cannot be printed as it is; the text names the field, never its value."""

    reason = "DOCUMENT_UNPRINTABLE"
    code = "FAILED_PRECONDITION"


@dataclass(frozen=True)
class Party:
    """Principal or agent: full name in Arabic, 14-digit national ID."""

    full_name: str
    national_id: str


@dataclass(frozen=True)
class Document:
    """Everything that stands on the page.

    Attributes:
        number: of the document, e.g. `PA-2026-7Q4M2K9D`.
        verification_code: what a third party types beside the number.
        verify_url: page that verifies; number and code are added to it as query in the QR code.
        kind: title in Arabic, e.g. توكيل عام رسمي.
        terms: in order, Arabic.
        special_terms: added by the citizen, in order; may be empty.
        governorate: two digits, of the office.
        office: where it is collected, Arabic.
        reviewer_office: where it was legally checked, Arabic.
        issue_time: aware; printed as the day in Cairo.
        content_digest: of what the principal confirmed, hexadecimal.
    """

    number: str
    verification_code: str
    verify_url: str
    kind: str
    principal: Party
    agent: Party
    terms: tuple[str, ...]
    special_terms: tuple[str, ...]
    governorate: str
    office: str
    reviewer_office: str
    issue_time: datetime
    content_digest: str

    def check(self) -> None:
        """Raise DocumentError where something is missing, too long or not aware of its zone."""
        needed = ("number", "verification_code", "verify_url", "kind", "office", "content_digest")
        for name in needed:
            if not getattr(self, name).strip():
                raise DocumentError(f"{name} is empty")
        if self.issue_time.tzinfo is None:
            raise DocumentError("issue_time has no time zone")
        texts = (
            *(getattr(self, name) for name in (*needed, "reviewer_office", "governorate")),
            *(self.principal.full_name, self.principal.national_id),
            *(self.agent.full_name, self.agent.national_id),
            *self.terms,
            *self.special_terms,
        )
        if sum(map(len, texts)) > TEXT_LIMIT:
            raise DocumentError(f"the texts together are longer than {TEXT_LIMIT} letters")
