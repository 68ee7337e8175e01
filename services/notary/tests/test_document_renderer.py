"""The renderer: what stands on the page, what the signature covers, and how the processes behave."""

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
    RendererBusy,
    RendererError,
    RendererTimeout,
    page,
    signing,
    wording,
    worker,
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

# A document takes a second, and many where much else is going on.
PATIENCE_SECONDS = 120


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return make_authority(tmp_path_factory.mktemp("keys"))


@pytest.fixture(scope="module")
def signed(authority):
    return signing.sign(page.pdf(DOCUMENT), authority.files.load())


def read(pdf):
    """The text of all pages, as letters without shapes, directions and blanks (shaping moves blanks)."""
    text = subprocess.run(["pdftotext", "-", "-"], input=pdf, capture_output=True, check=True).stdout.decode()
    return bare(text)


def bare(text):
    return "".join(
        letter for letter in unicodedata.normalize("NFKC", text) if unicodedata.category(letter)[0] in "LN"
    )  # fmt: skip


def verdict(pdf, authority):
    """What pyHanko says of the one signature, trusting this authority alone."""
    trust = ValidationContext(
        trust_roots=[load_cert_from_pemder(str(authority.files.authority))], allow_fetching=False
    )
    (signature,) = PdfFileReader(io.BytesIO(pdf)).embedded_signatures
    return signature, validate_pdf_signature(signature, trust)


def test_everything_of_the_document_stands_on_the_page(signed):
    """Both parties, all terms, number, code, office and day in Cairo can be read."""
    text = read(signed)

    for wanted in (
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
        assert bare(wanted) in text
    for term in DOCUMENT.terms:
        assert bare(term) in text


def test_the_page_is_one_a4_sheet_in_an_arabic_font(signed):
    """A usual document fits on one page; only the renderer's own font is used and embedded."""
    reader = PdfReader(io.BytesIO(signed))

    (sheet,) = reader.pages
    fonts = {str(font.get_object()["/BaseFont"]) for font in sheet["/Resources"]["/Font"].values()}

    assert (round(sheet.mediabox.width), round(sheet.mediabox.height)) == (595, 842)
    assert reader.metadata.title == DOCUMENT.number
    assert all("Amiri" in font for font in fonts)


def test_the_qr_code_holds_number_and_code():
    """A phone that reads the code is led to the page that verifies this document."""
    assert page.qr_text(DOCUMENT) == (
        "https://verify.diwan.example/poa?number=PA-2026-7Q4M2K9D&code=7Q4M2K9DABCD"
    )
    assert "<svg" in page.html(DOCUMENT)


def test_many_terms_run_over_to_further_pages():
    """A long document is not cut off."""
    long = replace(DOCUMENT, special_terms=tuple(f"{SPECIAL} {n}" for n in range(60)))

    pdf = page.pdf(long)

    assert len(PdfReader(io.BytesIO(pdf)).pages) > 1
    assert bare(f"{SPECIAL} 59") in read(pdf)


def test_the_signature_is_valid_pades_over_the_whole_file(signed, authority):
    """PAdES B-B by our signer, trusted through the authority; nothing in the file is left out."""
    signature, status = verdict(signed, authority)

    start, before, after, rest = signature.byte_range
    assert status.bottom_line
    assert status.coverage.name == "ENTIRE_FILE"
    assert (start, after + rest) == (0, len(signed))
    assert signed[before : before + 1] == b"<"
    assert signature.sig_object["/SubFilter"] == "/ETSI.CAdES.detached"


def test_another_authority_is_not_trusted(signed, tmp_path):
    """A signature by somebody else's signer is no signature of ours."""
    _, status = verdict(signed, make_authority(tmp_path))

    assert not status.bottom_line


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_one_changed_byte_voids_the_signature(signed, authority, share):
    """Whatever byte of the page is changed, the signature no longer holds."""
    signature, _ = verdict(signed, authority)
    at = int(signature.byte_range[1] * share)
    streams = [m.start() + 40 for m in re.finditer(rb"stream\r?\n", signed) if m.start() > at]
    at = streams[0] if streams else at
    changed = signed[:at] + bytes([signed[at] ^ 1]) + signed[at + 1 :]

    _, status = verdict(changed, authority)

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
    """What a citizen writes is read back word by word, and is never markup, template or address."""
    document = replace(DOCUMENT, special_terms=(f"{text} نهاية",))

    pdf = page.pdf(document)

    printed = read(pdf)
    # Where two directions of writing meet, the reader of the test orders words anew: each is looked for.
    assert all(bare(word) in printed for word in re.findall(r"\w+", text))
    assert "نهاية" in printed
    assert b"/EmbeddedFile" not in pdf


@pytest.mark.parametrize(
    "url", ["file:///etc/passwd", "http://127.0.0.1:9/", "data:text/plain,x", "renderer:page.py"]
)
def test_nothing_is_fetched(url):
    """The printer gets the renderer's own sheet and fonts, and nothing else."""
    with pytest.raises(FatalURLFetchingError):
        page._Fetcher("").fetch(url)


def test_marks_that_turn_text_around_are_not_printed():
    """Direction overrides could show another text than was confirmed; joiners, which shape letters, stay."""
    turned = "\u202e" + "ليكولل" + "\u202c\u2066 \u200f\u200bم\u200cن\x00\x1b"

    assert page.plain(turned) == "ليكولل م\u200cن"


@given(st.text(max_size=200), st.text(max_size=60))
@settings(max_examples=100, deadline=None)
def test_any_text_stays_text(term, name):
    """No text of a citizen adds an element, an attribute or a reference to the page."""
    hostile = replace(
        DOCUMENT, special_terms=(term,), principal=replace(DOCUMENT.principal, full_name=name or "س")
    )
    harmless = replace(DOCUMENT, special_terms=("ن",), principal=replace(DOCUMENT.principal, full_name="س"))

    tags = [re.findall(r"<[^>]*>", page.html(document)) for document in (hostile, harmless)]

    assert tags[0] == tags[1]
    page.html(hostile).encode()


@given(st.text(min_size=1, max_size=80))
@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_any_text_prints(text):
    """Whatever was written, a page comes out."""
    pdf = page.pdf(replace(DOCUMENT, special_terms=(text,)))

    assert pdf.startswith(b"%PDF-")


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"number": " "}, "number is empty"),
        ({"verification_code": ""}, "verification_code is empty"),
        ({"issue_time": datetime(2026, 1, 1)}, "issue_time has no time zone"),  # noqa: DTZ001  that is the fault
        ({"terms": ("م" * 50_000,)}, "longer than"),
    ],
)
def test_a_document_that_cannot_be_printed_is_refused(change, field):
    """The error names the field and not its value."""
    with pytest.raises(DocumentError, match=field):
        page.html(replace(DOCUMENT, **change))


@pytest.mark.parametrize(
    ("moment", "day"),
    [
        (datetime(2026, 3, 7, 21, 59, tzinfo=UTC), "٧ مارس ٢٠٢٦ م"),
        (datetime(2026, 3, 7, 22, 0, tzinfo=UTC), "٨ مارس ٢٠٢٦ م"),
    ],
)
def test_a_day_is_a_day_in_cairo(moment, day):
    """Midnight is Cairo's."""
    assert wording.day(moment) == day


async def test_the_pool_makes_signed_documents_off_the_loop(authority):
    """The loop goes on turning while a document is made."""
    async with DocumentRenderer(authority.files, timeout_seconds=PATIENCE_SECONDS) as renderer:
        turns = 0
        making = asyncio.create_task(renderer.render(DOCUMENT))
        while not making.done():
            await asyncio.sleep(0.01)
            turns += 1

        _, status = await asyncio.to_thread(verdict, making.result(), authority)

    assert status.bottom_line
    assert turns > 5


async def test_a_document_takes_its_trace_along(authority):
    """Printing and signing in the other process are spans under the caller's."""
    spans = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(spans))
    tracer = provider.get_tracer("test")
    async with DocumentRenderer(authority.files, tracer=tracer, timeout_seconds=PATIENCE_SECONDS) as renderer:
        with tracer.start_as_current_span("caller") as caller:
            await renderer.render(DOCUMENT)

    by_name = {span.name: span for span in spans.get_finished_spans()}
    make = by_name["renderer.make"]
    assert make.parent.span_id == caller.get_span_context().span_id
    for part in ("renderer.print", "renderer.sign"):
        assert by_name[part].parent.span_id == make.context.span_id
        assert make.start_time <= by_name[part].start_time <= by_name[part].end_time <= make.end_time
    assert trace.get_current_span() is trace.INVALID_SPAN


async def test_its_processes_are_begun_off_the_loop(authority, monkeypatch):
    """Who begins one waits until it is there, libraries and all: that must not be the loop of the service."""
    loop, begun = threading.get_ident(), []
    submit = ProcessPoolExecutor.submit

    def watched(pool, *args, **kwargs):
        if not pool._processes:
            begun.append(threading.get_ident())
        return submit(pool, *args, **kwargs)

    monkeypatch.setattr(ProcessPoolExecutor, "submit", watched)
    async with DocumentRenderer(authority.files, workers=2, timeout_seconds=PATIENCE_SECONDS) as renderer:
        os.kill(renderer.process_ids()[0], signal.SIGKILL)
        await renderer.render(DOCUMENT)
        await renderer.render(DOCUMENT)

    assert len(begun) == 3
    assert loop not in begun


async def test_a_killed_process_is_replaced_and_the_document_made(authority):
    """kill -9 in the middle of a document costs time, not the document."""
    async with DocumentRenderer(authority.files, timeout_seconds=PATIENCE_SECONDS) as renderer:
        making = asyncio.create_task(renderer.render(DOCUMENT))
        await asyncio.sleep(0.1)
        os.kill(renderer.process_ids()[0], signal.SIGKILL)

        _, status = await asyncio.to_thread(verdict, await making, authority)

    assert status.bottom_line


async def test_a_document_that_kills_every_process_is_given_up(authority, monkeypatch):
    """The second death ends it, and the renderer still works for the next."""
    killed, submit = [], ProcessPoolExecutor.submit

    def deadly(pool, what, *args):
        made = submit(pool, what, *args)
        if what is worker.render:
            killed.extend(pool._processes)
            os.kill(killed[-1], signal.SIGKILL)
        return made

    async with DocumentRenderer(authority.files, timeout_seconds=PATIENCE_SECONDS) as renderer:
        monkeypatch.setattr(ProcessPoolExecutor, "submit", deadly)
        with pytest.raises(RendererError, match="died"):
            await renderer.render(DOCUMENT)
        monkeypatch.setattr(ProcessPoolExecutor, "submit", submit)

        assert len(set(killed)) == 2
        assert (await renderer.render(DOCUMENT)).startswith(b"%PDF-")


async def test_what_takes_too_long_is_ended(authority):
    """A time-out kills the process that is at work; the next document finds a fresh one."""
    async with DocumentRenderer(authority.files, timeout_seconds=PATIENCE_SECONDS) as renderer:
        renderer.timeout_seconds = 0.05
        with pytest.raises(RendererTimeout):
            await renderer.render(DOCUMENT)
        renderer.timeout_seconds = PATIENCE_SECONDS

        assert (await renderer.render(DOCUMENT)).startswith(b"%PDF-")


async def test_a_full_renderer_refuses(authority):
    """Only so many documents may wait; those that do are made."""
    async with DocumentRenderer(
        authority.files, waiting_limit=1, timeout_seconds=PATIENCE_SECONDS
    ) as renderer:
        taken = [asyncio.create_task(renderer.render(DOCUMENT)) for _ in range(2)]
        await asyncio.sleep(0)

        with pytest.raises(RendererBusy):
            await renderer.render(DOCUMENT)

        assert all(pdf.startswith(b"%PDF-") for pdf in await asyncio.gather(*taken))


async def test_a_bad_document_leaves_the_process_alone(authority):
    """It is refused before any process is asked."""
    async with DocumentRenderer(authority.files, timeout_seconds=PATIENCE_SECONDS) as renderer:
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
