"""The renderer's input: the content of a power of attorney's document."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from chassis.domain import DomainError
from chassis.printable import NAME, TERM, Bounds, fault, visible

TEXT_LIMIT = 40_000
"""Longest sum of a document's texts, characters: a longer one is an error or an attack."""


class DocumentError(DomainError):
    """The document cannot be printed; the text names the field, never its value."""

    reason = "DOCUMENT_UNPRINTABLE"
    code = "FAILED_PRECONDITION"


@dataclass(frozen=True)
class SignedDocument:
    """A signed PDF, and for each part of the work its name, start and end (nanoseconds since 1970)."""

    pdf: bytes
    parts: tuple[tuple[str, int, int], ...]


@dataclass(frozen=True)
class Party:
    """Principal or agent: full name in Arabic, 14-digit national ID."""

    full_name: str
    national_id: str


@dataclass(frozen=True)
class Document:
    """The content of the page.

    Attributes:
        number: of the document, e.g. `PA-2026-7Q4M2K9D`.
        verification_code: typed by a third party, with the number, to verify the document.
        verify_url: page of the verification; the QR code adds number and code as its query.
        kind: title in Arabic, e.g. توكيل عام رسمي.
        terms: in order, Arabic.
        special_terms: added by the citizen, in order; may be empty.
        governorate: two digits, of the office.
        office: name of the office of collection, Arabic.
        reviewer_office: name of the reviewing authority, Arabic.
        issue_time: with a time zone; printed as the day in Cairo.
        content_digest: SHA-256 of the confirmed content, hexadecimal.
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
        """Raise DocumentError if a field is empty, the time has no zone, or a text cannot be laid out in time."""
        required = ("number", "verification_code", "verify_url", "kind", "office", "content_digest")
        for name in required:
            if not getattr(self, name).strip():
                raise DocumentError(f"{name} is empty")
        if self.issue_time.tzinfo is None:
            raise DocumentError("issue_time has no time zone")
        texts = (
            *(getattr(self, name) for name in (*required, "reviewer_office", "governorate")),
            *(self.principal.full_name, self.principal.national_id),
            *(self.agent.full_name, self.agent.national_id),
            *self.terms,
            *self.special_terms,
        )
        if sum(map(len, texts)) > TEXT_LIMIT:
            raise DocumentError(f"the texts together are longer than {TEXT_LIMIT} characters")
        for name, text, bounds in self._laid_out():
            # Invisible characters are not printed, see `visible`.
            if why := fault(visible(text), bounds):
                raise DocumentError(f"{name} cannot be printed: {why}")

    def _laid_out(self) -> Iterator[tuple[str, str, Bounds]]:
        yield "principal", self.principal.full_name, NAME
        yield "agent", self.agent.full_name, NAME
        for name in ("kind", "office", "reviewer_office"):
            yield name, getattr(self, name), TERM
        for term in (*self.terms, *self.special_terms):
            yield "a term", term, TERM
