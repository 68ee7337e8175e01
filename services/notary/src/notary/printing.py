"""Printing of an approved power of attorney as a signed document."""

from datetime import datetime
from typing import Protocol

from notary.catalogue import Catalogue
from notary.document_renderer import Document, DocumentRenderer, Party
from notary.metrics import Metrics
from notary.model.power_of_attorney import PowerOfAttorney


class Printer(Protocol):
    """Creates documents; slow, but not on the event loop.

    Attributes:
        concurrency: documents that it creates at the same time.
    """

    concurrency: int

    async def document(self, case: PowerOfAttorney, now: datetime) -> bytes:
        """The signed PDF of an approved case, dated `now`."""


class DocumentPrinter:
    """Prints approved cases with the renderer, which it starts and stops. A component of the process."""

    name = "renderer"

    def __init__(
        self, renderer: DocumentRenderer, catalogue: Catalogue, metrics: Metrics, *, verify_url: str
    ) -> None:
        """Prepare.

        Args:
            renderer: renders and signs.
            catalogue: the kinds' titles and the authority's name.
            metrics: of notary; measures the renderer's time.
            verify_url: address of the verification page in the QR code.
        """
        self.concurrency = renderer.workers
        self._renderer = renderer
        self._catalogue = catalogue
        self._metrics = metrics
        self._verify_url = verify_url

    async def start(self) -> None:
        """Start the renderer."""
        await self._renderer.start()

    async def stop(self) -> None:
        """Finish the documents in hand and stop the renderer."""
        await self._renderer.close()

    async def document(self, case: PowerOfAttorney, now: datetime) -> bytes:
        """The signed PDF of an approved case, dated `now`; DocumentError or RendererError."""
        with self._metrics.renderer.time():
            return await self._renderer.render(self._document(case, now))

    def _document(self, case: PowerOfAttorney, now: datetime) -> Document:
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
