"""From an approved power of attorney to the bytes of its signed document."""

from datetime import datetime
from typing import Protocol

from notary.catalogue import Catalogue
from notary.document_renderer import Document, DocumentRenderer, Party
from notary.metrics import Metrics
from notary.model.power_of_attorney import PowerOfAttorney


class Printer(Protocol):
    """Makes documents; slow, and never in the event loop's own time."""

    async def document(self, case: PowerOfAttorney, now: datetime) -> bytes:
        """The signed PDF of an approved case, dated `now`."""


class DocumentPrinter:
    """Lays an approved case out and gives it to the renderer. A part of the process: the renderer runs beside it."""

    name = "renderer"

    def __init__(
        self, renderer: DocumentRenderer, catalogue: Catalogue, metrics: Metrics, *, verify_url: str
    ) -> None:
        """Prepare.

        Args:
            renderer: prints and signs.
            catalogue: the kinds' titles and the authority's name.
            metrics: where the renderer's time is counted.
            verify_url: page that the QR code leads to.
        """
        self._renderer = renderer
        self._catalogue = catalogue
        self._metrics = metrics
        self._verify_url = verify_url

    async def start(self) -> None:
        """Warm the renderer up."""
        await self._renderer.start()

    async def stop(self) -> None:
        """Finish what is in hand."""
        await self._renderer.close()

    async def document(self, case: PowerOfAttorney, now: datetime) -> bytes:
        """The signed PDF of an approved case, dated `now`; PressError when the renderer cannot now."""
        with self._metrics.renderer.time():
            return await self._renderer.make(self.laid_out(case, now))

    def laid_out(self, case: PowerOfAttorney, now: datetime) -> Document:
        """What stands on the page."""
        content = case.content
        return Document(
            number=case.number,
            verification_code=case.verification_code,
            verify_url=self._verify_url,
            kind=self._catalogue.wordings[content.kind].title,
            principal=Party(content.principal.full_name, content.principal.national_id),
            agent=Party(content.agent.full_name, content.agent.national_id),
            terms=content.terms,
            special_terms=content.special_terms,
            governorate=content.governorate,
            office=case.office_name,
            reviewer_office=self._catalogue.authority,
            issue_time=now,
            content_digest=case.digest,
        )
