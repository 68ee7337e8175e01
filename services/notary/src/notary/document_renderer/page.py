"""A document as HTML and as PDF. The same document always gives the same page; no network access."""

import string
from collections.abc import Iterable, Mapping
from functools import cache
from html import escape
from importlib import resources
from urllib.parse import urlencode

import segno
import weasyprint
from chassis.printable import visible
from weasyprint.urls import FatalURLFetchingError, URLFetcher, URLFetcherResponse

from notary.document_renderer import text_layer, wording
from notary.document_renderer.document import Document

_FILES = {
    "renderer:page.css": "text/css",
    "renderer:fonts/Amiri-Regular.ttf": "font/ttf",
    "renderer:fonts/Amiri-Bold.ttf": "font/ttf",
}


def qr_text(document: Document) -> str:
    """The text of the QR code: the address of the verification page, with number and code."""
    query = urlencode({"number": document.number, "code": document.verification_code})
    return f"{document.verify_url}{'&' if '?' in document.verify_url else '?'}{query}"


def html(document: Document) -> str:
    """The page as HTML; values are escaped.

    Raises:
        DocumentError: the document cannot be printed.
    """
    document.check()
    words = wording.catalogue()["page"]
    opening = words["opening"].format(
        weekday=wording.weekday(document.issue_time), date=wording.day(document.issue_time)
    )
    fields = {f"t_{name}": escape(text) for name, text in words.items()} | {
        "number": _text(document.number),
        "date": wording.day(document.issue_time),
        "governorate": _text(wording.governorate(document.governorate)),
        "kind": _text(document.kind),
        "opening": escape(opening),
        "principal_name": _text(document.principal.full_name),
        "principal_id": _text(wording.digits(document.principal.national_id)),
        "agent_name": _text(document.agent.full_name),
        "agent_id": _text(wording.digits(document.agent.national_id)),
        "terms": _items(document.terms),
        "special": _special(document, words["special_terms"]),
        "reviewer_office": _text(document.reviewer_office),
        "office": _text(document.office),
        "digest": _text(document.content_digest),
        "verify_url": _text(document.verify_url),
        "code": _text(document.verification_code),
        "qr": _qr(qr_text(document)),
    }
    return _template().substitute(fields)


def pdf(document: Document) -> bytes:
    """The page as an unsigned PDF (A4).

    Raises:
        DocumentError: the document cannot be printed.
    """
    page = weasyprint.HTML(string=html(document), url_fetcher=_Fetcher(document.number), base_url="renderer:")
    return text_layer.write_pdf(page)


def warm_up() -> None:
    """Load the fonts and WeasyPrint's own style sheets, so that the first document is not slower than the next."""
    weasyprint.HTML(string="<p style='font-family:Amiri'>م", url_fetcher=_Fetcher("")).write_pdf()


class _Fetcher(URLFetcher):  # type: ignore[misc]  # WeasyPrint brings no types
    """Returns the renderer's own files by their exact names; refuses every other address and file."""

    def __init__(self, number: str) -> None:
        super().__init__(allowed_protocols=("renderer",))
        words = wording.catalogue()["page"]
        self._words = {"PAGE_NUMBER": _css_text(number), "PAGE_SHEET": words["sheet"], "PAGE_OF": words["of"]}

    def fetch(self, url: str, headers: Mapping[str, str] | None = None) -> URLFetcherResponse:  # noqa: ARG002
        content_type = _FILES.get(url)
        if content_type is None:
            raise FatalURLFetchingError("the page refers to a file outside the renderer")
        body = _file(url.removeprefix("renderer:"))
        if content_type == "text/css":
            text = body.decode()
            for mark, word in self._words.items():
                text = text.replace(mark, word)
            body = text.encode()
        return URLFetcherResponse(url, body=body, headers={"Content-Type": content_type})


@cache
def _file(name: str) -> bytes:
    return resources.files(__package__).joinpath(name).read_bytes()


@cache
def _template() -> string.Template:
    return string.Template(_file("page.html").decode())


def _text(value: str) -> str:
    return escape(visible(value), quote=True)


def _css_text(value: str) -> str:
    """The value, escaped for a quoted CSS string."""
    return "".join(
        letter if letter.isalnum() or letter in "- " else f"\\{ord(letter):06x} " for letter in visible(value)
    )


def _items(texts: Iterable[str]) -> str:
    return "".join(f"<li><bdi>{_text(text)}</bdi></li>" for text in texts)


def _special(document: Document, title: str) -> str:
    if not document.special_terms:
        return ""
    return f'<section class="special"><h2>{escape(title)}</h2><ol>{_items(document.special_terms)}</ol></section>'


def _qr(text: str) -> str:
    code = segno.make(text, error="m", micro=False)
    svg: str = code.svg_inline(omitsize=True, border=0, dark="#0b3d2e")
    return svg
