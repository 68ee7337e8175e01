"""The text that is copied from a document, searched in it and read aloud is the printed text."""

from dataclasses import replace
from html import escape

import pytest
import weasyprint
from notary.catalogue import load
from notary.document_renderer import page, text_layer, wording

from .document_samples import DOCUMENT
from .names import corpus
from .text_readers import READERS, normal, pdfium, poppler

NAMES = 2_000
NAMED = [reader.__name__ for reader in READERS]
WIDE = (
    "<style>@page { size: 900mm 1400mm; margin: 5mm } body { font-size: 8pt } p { white-space: pre }</style>"
)


def printed(texts):
    """Return a PDF in the document's own font, with one line for each text."""
    lines = "\n".join(map(escape, texts))
    html = f'<html lang="ar" dir="rtl"><link rel="stylesheet" href="renderer:page.css">{WIDE}<p>{lines}</p>'
    return text_layer.write_pdf(
        weasyprint.HTML(string=html, url_fetcher=page._Fetcher(""), base_url="renderer:")
    )


def fixed_texts():
    """Return every text that a document may contain without a citizen's part."""
    catalogue, words = load(), wording.catalogue()
    page_words = [text for text in words["page"].values() if "{" not in text]
    kinds = [text for kind in catalogue.wordings.values() for text in (kind.title, *kind.terms)]
    offices = [office.name for offices in catalogue.offices.values() for office in offices]
    calendar = words["calendar"]["weekdays"] + words["calendar"]["months"]
    return [*page_words, *kinds, *offices, *calendar, *words["governorates"].values(), catalogue.authority]


def missing(texts, lines):
    """Return the texts that the lines do not contain, letter by letter."""
    read = " ".join(lines)
    return [text for text in map(normal, texts) if text not in read]


def test_names_and_fixed_texts_are_read_as_they_are_printed():
    """Lam-alef, alef variants, marks, tatweel, Persian letters, Latin words, three kinds of digits; every wording."""
    texts = [*corpus(NAMES), *fixed_texts()]

    pdf = printed(texts)

    assert {reader.__name__: missing(texts, reader(pdf)) for reader in READERS} == {
        name: [] for name in NAMED
    }


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("governorate", ["21", "18"])
def test_a_document_is_read_as_it_is_printed(reader, governorate):
    """Labels stand before their values, also where a value is Latin; a spaced code stays one word."""
    document = replace(DOCUMENT, governorate=governorate)
    words = wording.catalogue()["page"]

    lines = reader(page.pdf(document))

    expected = [
        text for text in words.values() if "{" not in text and text not in {words["of"], words["sheet"]}
    ]
    expected += [document.kind, document.principal.full_name, document.agent.full_name, document.office]
    expected += [wording.digits(party.national_id) for party in (document.principal, document.agent)]
    expected += [document.verification_code, document.verify_url, document.content_digest]
    expected += ["صفحة ١ من ١", "٢٣ نوفمبر ٢٠٢٦ م", wording.governorate(governorate)]
    assert missing(expected, lines) == []
    assert lines.count(document.number) == 2
    # A term may run over to a second line, between which pdfminer puts other cells of the list.
    terms = [word for term in (*document.terms, *document.special_terms) for word in term.split()]
    assert missing(terms, lines) == []


@pytest.mark.parametrize("reader", [pdfium, poppler])
def test_a_row_is_read_from_right_to_left(reader):
    """The name follows its label, and the national ID follows the name."""
    words, party = wording.catalogue()["page"], DOCUMENT.principal

    read = " ".join(reader(page.pdf(DOCUMENT)))

    label = f"{words['principal']} {party.full_name}"
    assert label in read
    assert read.index(label) < read.index(wording.digits(party.national_id))


def test_a_line_with_a_letter_of_another_font_is_read():
    """Letters outside the document's font do not spoil the text of the others."""
    pdf = printed(["سعيد 漢字 ｍ محمد"])

    assert missing(["سعيد", "محمد", "漢字"], poppler(pdf)) == []
