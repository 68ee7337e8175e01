"""The renderer: the content of the page, the signature, and the pool of processes."""

import asyncio
import io
import os
import re
import signal
import subprocess
import threading
import unicodedata
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from notary.document_renderer import (
    DocumentError,
    DocumentRenderer,
    Party,
    RendererBusy,
    RendererError,
    RendererTimeout,
    page,
    signing,
    tasks,
    wording,
)
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from pyhanko.keys import load_cert_from_pemder
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign.validation import validate_pdf_signature
from pyhanko_certvalidator import ValidationContext
from pypdf import PdfReader
from weasyprint.urls import FatalURLFetchingError

from .document_samples import DOCUMENT, SPECIAL, make_authority

# Rendering a document takes a second, but many on a busy machine.
TIMEOUT_SECONDS = 120


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return make_authority(tmp_path_factory.mktemp("keys"))


@pytest.fixture(scope="module")
def signed(authority):
    return signing.sign(page.pdf(DOCUMENT), signing.load(authority.files))


def text_of(pdf):
    """Return the letters and digits of all pages, without presentation forms and blanks, which shaping moves."""
    text = subprocess.run(["pdftotext", "-", "-"], input=pdf, capture_output=True, check=True).stdout.decode()
    return letters_of(text)


def letters_of(text):
    return "".join(
        letter for letter in unicodedata.normalize("NFKC", text) if unicodedata.category(letter)[0] in "LN"
    )  # fmt: skip


def validate(pdf, authority):
    """Return the only signature and its validation status, with this authority as the only trust root."""
    trust = ValidationContext(
        trust_roots=[load_cert_from_pemder(str(authority.files.authority))], allow_fetching=False
    )
    (signature,) = PdfFileReader(io.BytesIO(pdf)).embedded_signatures
    return signature, validate_pdf_signature(signature, trust)


def test_the_page_contains_the_whole_document(signed):
    """Both parties, all terms, number, code, offices and the date in Cairo."""
    text = text_of(signed)

    for expected in (
        DOCUMENT.kind,
        DOCUMENT.principal.full_name,
        DOCUMENT.agent.full_name,
        wording.digits(DOCUMENT.principal.national_id),
        wording.digits(DOCUMENT.agent.national_id),
        SPECIAL,
        DOCUMENT.number,
        DOCUMENT.verification_code,
        DOCUMENT.office,
        DOCUMENT.reviewer_office,
        "٢٣ نوفمبر ٢٠٢٦",
    ):
        assert letters_of(expected) in text
    for term in DOCUMENT.terms:
        assert letters_of(term) in text


def test_the_page_is_one_a4_sheet_in_an_arabic_font(signed):
    """A typical document fits on one page; only the renderer's font is used and embedded."""
    reader = PdfReader(io.BytesIO(signed))

    (sheet,) = reader.pages
    fonts = {str(font.get_object()["/BaseFont"]) for font in sheet["/Resources"]["/Font"].values()}

    assert (round(sheet.mediabox.width), round(sheet.mediabox.height)) == (595, 842)
    assert reader.metadata.title == DOCUMENT.number
    assert all("Amiri" in font for font in fonts)


def test_the_qr_code_holds_number_and_code():
    """The URL leads to the verification of this document."""
    assert page.qr_text(DOCUMENT) == (
        "https://verify.diwan.example/poa?number=PA-2026-7Q4M2K9D&code=7Q4M2K9DABCD"
    )
    assert "<svg" in page.html(DOCUMENT)


def test_many_terms_continue_on_further_pages():
    """A long document is not cut off."""
    long = replace(DOCUMENT, special_terms=tuple(f"{SPECIAL} {n}" for n in range(60)))

    pdf = page.pdf(long)

    assert len(PdfReader(io.BytesIO(pdf)).pages) > 1
    assert letters_of(f"{SPECIAL} 59") in text_of(pdf)


def test_the_signature_is_valid_pades_over_the_whole_file(signed, authority):
    """It is PAdES B-B by our signer, whose certificate the authority issued, and covers every byte."""
    signature, status = validate(signed, authority)

    start, before, after, rest = signature.byte_range
    assert status.bottom_line
    assert status.coverage.name == "ENTIRE_FILE"
    assert (start, after + rest) == (0, len(signed))
    assert signed[before : before + 1] == b"<"
    assert signature.sig_object["/SubFilter"] == "/ETSI.CAdES.detached"


def test_another_authority_is_not_trusted(signed, tmp_path):
    """The validation fails with the root of another authority."""
    _, status = validate(signed, make_authority(tmp_path))

    assert not status.bottom_line


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_one_changed_byte_invalidates_the_signature(signed, authority, share):
    """Bytes at several positions are changed."""
    signature, _ = validate(signed, authority)
    at = int(signature.byte_range[1] * share)
    streams = [m.start() + 40 for m in re.finditer(rb"stream\r?\n", signed) if m.start() > at]
    at = streams[0] if streams else at
    changed = signed[:at] + bytes([signed[at] ^ 1]) + signed[at + 1 :]

    _, status = validate(changed, authority)

    assert not status.intact
    assert not status.bottom_line


HOSTILE = [
    '<img src="file:///etc/passwd">',
    "<link rel=attachment href=file:///etc/passwd>",
    "<style>@import url(http://127.0.0.1:9/x.css); body{display:none}</style>",
    "</li></ol><h1>توكيل آخر</h1>",
    "$principal_id ${t_state} {date} %s",
    '"; } @page { @top-center { content: url(file:///etc/passwd) } }',
    "&lt;b&gt; &#1605; ]]> <!-- ",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_is_printed_as_text(text):
    """The text of a citizen is on the page word by word, and is never markup, a template or a URL."""
    document = replace(DOCUMENT, special_terms=(f"{text} نهاية",))

    pdf = page.pdf(document)

    printed = text_of(pdf)
    # pdftotext may reorder words where two writing directions meet, so each word is searched for.
    assert all(letters_of(word) in printed for word in re.findall(r"\w+", text))
    assert "نهاية" in printed
    assert b"/EmbeddedFile" not in pdf


@pytest.mark.parametrize(
    "url", ["file:///etc/passwd", "http://127.0.0.1:9/", "data:text/plain,x", "renderer:page.py"]
)
def test_nothing_is_fetched(url):
    """The page uses only the renderer's own style sheet and fonts."""
    with pytest.raises(FatalURLFetchingError):
        page._Fetcher("").fetch(url)


def test_direction_marks_are_not_printed():
    """Overrides could show another text than the confirmed one; joiners, which shape letters, are kept."""
    text = "\u202e" + "ليكولل" + "\u202c\u2066 \u200f\u200bم\u200cن\x00\x1b"

    assert page.visible(text) == "ليكولل م\u200cن"


@given(st.text(max_size=200), st.text(max_size=60))
@settings(max_examples=100, deadline=None)
def test_any_text_stays_text(term, name):
    """A text never adds an element, an attribute or a reference to the page."""
    hostile = replace(
        DOCUMENT, special_terms=(term,), principal=replace(DOCUMENT.principal, full_name=name or "س")
    )
    harmless = replace(DOCUMENT, special_terms=("ن",), principal=replace(DOCUMENT.principal, full_name="س"))

    for document in (hostile, harmless):
        try:
            document.check()
        except DocumentError:
            return
    tags = [re.findall(r"<[^>]*>", page.html(document)) for document in (hostile, harmless)]

    assert tags[0] == tags[1]
    page.html(hostile).encode()


@given(st.text(min_size=1, max_size=80))
@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_any_text_can_be_rendered(text):
    """No text makes the rendering fail; one that cannot be laid out is refused."""
    try:
        pdf = page.pdf(replace(DOCUMENT, special_terms=(text,)))
    except DocumentError as error:
        assert "cannot be printed" in str(error)  # noqa: PT017  both outcomes are right
        return

    assert pdf.startswith(b"%PDF-")


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"number": " "}, "number is empty"),
        ({"verification_code": ""}, "verification_code is empty"),
        ({"issue_time": datetime(2026, 1, 1)}, "issue_time has no time zone"),  # noqa: DTZ001  that is the fault
        ({"terms": ("م " * 25_000,)}, "longer than"),
        ({"principal": Party("م" * 1_200, "28503242474090")}, "principal cannot be printed: WORD_TOO_LONG"),
        ({"agent": Party("م " * 600, "28503242474090")}, "agent cannot be printed: TOO_LONG"),
        ({"agent": Party("محمد 😀", "28503242474090")}, "agent cannot be printed: SYMBOL"),
        ({"special_terms": ("بيع م" + "\u064e" * 5_000,)}, "a term cannot be printed: TOO_MANY_MARKS"),
        ({"special_terms": ("م" + "\u200d" * 1_000,)}, "a term cannot be printed: TOO_MANY_MARKS"),
    ],
)
def test_an_invalid_document_is_refused(change, field):
    """The error names the field, not its value."""
    with pytest.raises(DocumentError, match=field):
        page.html(replace(DOCUMENT, **change))


@pytest.mark.parametrize(
    ("moment", "day"),
    [
        (datetime(2026, 3, 7, 21, 59, tzinfo=UTC), "٧ مارس ٢٠٢٦ م"),
        (datetime(2026, 3, 7, 22, 0, tzinfo=UTC), "٨ مارس ٢٠٢٦ م"),
    ],
)
def test_the_date_is_that_of_cairo(moment, day):
    """The day changes at midnight in Cairo."""
    assert wording.day(moment) == day


async def test_the_pool_renders_signed_documents_off_the_event_loop(authority):
    """The loop keeps running meanwhile."""
    async with DocumentRenderer(authority.files, timeout_seconds=TIMEOUT_SECONDS) as renderer:
        iterations = 0
        rendering = asyncio.create_task(renderer.render(DOCUMENT))
        while not rendering.done():
            await asyncio.sleep(0.01)
            iterations += 1

        _, status = await asyncio.to_thread(validate, rendering.result(), authority)

    assert status.bottom_line
    assert iterations > 5


async def test_rendering_continues_the_trace_of_the_caller(authority):
    """The spans of printing and signing in the other process descend from the caller's span."""
    spans = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(spans))
    tracer = provider.get_tracer("test")
    async with DocumentRenderer(authority.files, tracer=tracer, timeout_seconds=TIMEOUT_SECONDS) as renderer:
        with tracer.start_as_current_span("caller") as caller:
            await renderer.render(DOCUMENT)

    by_name = {span.name: span for span in spans.get_finished_spans()}
    make = by_name["renderer.make"]
    assert make.parent.span_id == caller.get_span_context().span_id
    for part in ("renderer.print", "renderer.sign"):
        assert by_name[part].parent.span_id == make.context.span_id
        assert make.start_time <= by_name[part].start_time <= by_name[part].end_time <= make.end_time
    assert trace.get_current_span() is trace.INVALID_SPAN


async def test_processes_are_started_off_the_event_loop(authority, monkeypatch):
    """The start of a process blocks until its libraries are imported, so it must not block the event loop."""
    loop, starters = threading.get_ident(), []
    submit = ProcessPoolExecutor.submit

    def watched(pool, *args, **kwargs):
        if not pool._processes:
            starters.append(threading.get_ident())
        return submit(pool, *args, **kwargs)

    monkeypatch.setattr(ProcessPoolExecutor, "submit", watched)
    async with DocumentRenderer(authority.files, workers=2, timeout_seconds=TIMEOUT_SECONDS) as renderer:
        os.kill(renderer.process_ids()[0], signal.SIGKILL)
        await renderer.render(DOCUMENT)
        await renderer.render(DOCUMENT)

    assert len(starters) == 3
    assert loop not in starters


async def test_a_killed_process_is_replaced_and_the_document_rendered(authority):
    """After SIGKILL the document is rendered in a new process."""
    async with DocumentRenderer(authority.files, timeout_seconds=TIMEOUT_SECONDS) as renderer:
        rendering = asyncio.create_task(renderer.render(DOCUMENT))
        await asyncio.sleep(0.1)
        os.kill(renderer.process_ids()[0], signal.SIGKILL)

        _, status = await asyncio.to_thread(validate, await rendering, authority)

    assert status.bottom_line


async def test_a_document_that_kills_two_processes_fails(authority, monkeypatch):
    """The renderer still works for the next document."""
    killed, submit = [], ProcessPoolExecutor.submit

    def submit_and_kill(pool, function, *args):
        future = submit(pool, function, *args)
        if function is tasks.render:
            killed.extend(pool._processes)
            os.kill(killed[-1], signal.SIGKILL)
        return future

    async with DocumentRenderer(authority.files, timeout_seconds=TIMEOUT_SECONDS) as renderer:
        monkeypatch.setattr(ProcessPoolExecutor, "submit", submit_and_kill)
        with pytest.raises(RendererError, match="died"):
            await renderer.render(DOCUMENT)
        monkeypatch.setattr(ProcessPoolExecutor, "submit", submit)

        assert len(set(killed)) == 2
        assert (await renderer.render(DOCUMENT)).startswith(b"%PDF-")


async def test_a_timeout_kills_the_process(authority):
    """The next document is rendered in a new process."""
    async with DocumentRenderer(authority.files, timeout_seconds=TIMEOUT_SECONDS) as renderer:
        renderer.timeout_seconds = 0.05
        with pytest.raises(RendererTimeout):
            await renderer.render(DOCUMENT)
        renderer.timeout_seconds = TIMEOUT_SECONDS

        assert (await renderer.render(DOCUMENT)).startswith(b"%PDF-")


async def test_a_full_renderer_refuses(authority):
    """The number of waiting documents is limited; those that wait are rendered."""
    async with DocumentRenderer(
        authority.files, waiting_limit=1, timeout_seconds=TIMEOUT_SECONDS
    ) as renderer:
        accepted = [asyncio.create_task(renderer.render(DOCUMENT)) for _ in range(2)]
        await asyncio.sleep(0)

        with pytest.raises(RendererBusy):
            await renderer.render(DOCUMENT)

        assert all(pdf.startswith(b"%PDF-") for pdf in await asyncio.gather(*accepted))


async def test_an_invalid_document_does_not_reach_a_process(authority):
    """It is refused before that."""
    async with DocumentRenderer(authority.files, timeout_seconds=TIMEOUT_SECONDS) as renderer:
        before = renderer.process_ids()

        with pytest.raises(DocumentError):
            await renderer.render(replace(DOCUMENT, number=""))

        assert renderer.process_ids() == before


def test_a_renderer_without_a_key_does_not_start(tmp_path):
    """An unusable key is an error at the start, not at the first document."""
    authority = make_authority(tmp_path)
    authority.files.key.write_text("no key")

    with pytest.raises(ValueError, match="no usable key"):
        DocumentRenderer(authority.files)
