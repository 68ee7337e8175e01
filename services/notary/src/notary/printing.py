"""From an approved power of attorney to the bytes of its signed document."""

from datetime import datetime
from typing import Protocol

from notary.catalogue import Catalogue
from notary.figures import Figures
from notary.model.power_of_attorney import PowerOfAttorney
from notary.press import Document, Party, Press


class Printer(Protocol):
    """Makes documents; slow, and never in the event loop's own time."""

    async def document(self, case: PowerOfAttorney, now: datetime) -> bytes:
        """The signed PDF of an approved case, dated `now`."""


class PressPrinter:
    """Lays an approved case out and gives it to the press. A part of the process: the press runs beside it."""

    name = "press"

    def __init__(self, press: Press, catalogue: Catalogue, figures: Figures, *, verify_url: str) -> None:
        """Prepare.

        Args:
            press: prints and signs.
            catalogue: the kinds' titles and the authority's name.
            figures: where the press's time is counted.
            verify_url: page that the QR code leads to.
        """
        self._press = press
        self._catalogue = catalogue
        self._figures = figures
        self._verify_url = verify_url

    async def start(self) -> None:
        """Warm the press up."""
        await self._press.start()

    async def stop(self) -> None:
        """Finish what is in hand."""
        await self._press.close()

    async def document(self, case: PowerOfAttorney, now: datetime) -> bytes:
        """The signed PDF of an approved case, dated `now`; PressError when the press cannot now."""
        with self._figures.press.time():
            return await self._press.make(self.laid_out(case, now))

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
