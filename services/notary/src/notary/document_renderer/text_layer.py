"""The text layer of a PDF: a text that is copied, searched or read aloud is the printed one.

WeasyPrint writes one code for each glyph, and gives a glyph the text of the cluster in which it was met first. A glyph
that several clusters share, a dot for instance, and a cluster of several glyphs then have a wrong text (WeasyPrint
#2841, #1686). Here each character has a code of its own, in the order in which it stands on the line, with exactly one
character in the ToUnicode map. The first code of a cluster draws all its glyphs; the others draw nothing and share
the cluster's advance. All readers agree on that simplest of text layers.
"""

import unicodedata
from collections.abc import Iterator
from contextvars import ContextVar
from dataclasses import dataclass
from itertools import groupby, pairwise
from typing import Any, Final

import weasyprint
from weasyprint.draw import text as drawing
from weasyprint.pdf.fonts import Font
from weasyprint.text.ffi import ffi, pango
from weasyprint.text.fonts import FontConfiguration, get_pango_font_key

from notary.document_renderer.embedded_font import Code, EmbeddedFont, Part

_PANGO_SCALE: Final = 1024
_NOTDEF: Final = 0
_UTF8_MAX: Final = 4

_current: ContextVar["_TextLayer"] = ContextVar("text_layer")
_draw_any_font = drawing.draw_first_line


def write_pdf(page: weasyprint.HTML) -> bytes:
    """The page as a PDF with a correct text layer."""
    layer = _TextLayer()
    token = _current.set(layer)
    try:
        content = page.write_pdf(font_config=FontConfiguration(), finisher=layer.finish)
    finally:
        _current.reset(token)
    assert isinstance(content, bytes)
    return content


@dataclass(frozen=True)
class _Cluster:
    """Glyphs that are drawn as a unit, and their characters in the order of the line, left to right."""

    characters: str
    parts: tuple[Part, ...]
    advance: float


class _TextLayer:
    """The fonts of one document."""

    def __init__(self) -> None:
        self._fonts: dict[str, EmbeddedFont] = {}

    def draw(self, stream: Any, textbox: Any, matrix: Any) -> bool:
        """Draw the first line of a text box; False, and nothing drawn, if one of its fonts is no plain TrueType."""
        # WeasyPrint does the same before it reads the glyphs.
        pango.pango_layout_set_single_paragraph_mode(textbox.pango_layout.layout, True)
        line, _ = textbox.pango_layout.get_first_line()
        runs = list(_runs(line))
        fonts = [self._font(run.item.analysis.font) for run in runs]
        if not all(font.is_plain for font, _ in fonts):
            return False
        text = textbox.pango_layout.text.encode()
        stream.set_text_matrix(*matrix.values)
        for run, (font, size) in zip(runs, fonts, strict=True):
            clusters = _clusters(run, text, font.units_per_em / (size * _PANGO_SCALE))
            numbers = [font.number(code) for cluster in clusters for code in _codes(cluster)]
            stream.set_font_size(font.name, size)
            stream.show_text("<" + "".join(f"{number:04x}" for number in numbers) + ">")
        return True

    def _font(self, pango_font: Any) -> tuple[EmbeddedFont, float]:
        """The font, and its size in CSS pixels."""
        _, description, size = get_pango_font_key(pango_font)
        font = Font(pango_font, description, size)
        return self._fonts.setdefault(font.hash, EmbeddedFont(font)), size

    def finish(self, _document: Any, pdf: Any) -> None:
        """Add the fonts to those that WeasyPrint has embedded."""
        resources = next(
            item for item in pdf.objects if isinstance(item, dict) and "XObject" in item and "Font" in item
        )
        fonts = next(item for item in pdf.objects if item.reference == resources["Font"])
        fonts.update({font.name: font.embed(pdf) for font in self._fonts.values() if font.is_used})


def _draw(stream: Any, textbox: Any, text_overflow: str, block_ellipsis: str, matrix: Any) -> list[Any]:
    """WeasyPrint's `draw_first_line`, for texts that are not cut off."""
    layer = _current.get(None)
    visible = textbox.text.strip() and textbox.style["font_size"] > 0
    whole = text_overflow != "ellipsis" and block_ellipsis == "none"
    if layer is None or not visible or not whole or not layer.draw(stream, textbox, matrix):
        emojis: list[Any] = _draw_any_font(stream, textbox, text_overflow, block_ellipsis, matrix)
        return emojis
    return []


drawing.draw_first_line = _draw


def _runs(line: Any) -> Iterator[Any]:
    run = line.runs[0]
    while run != ffi.NULL:
        yield run.data
        run = run.next


def _clusters(run: Any, text: bytes, scale: float) -> Iterator[_Cluster]:
    """The clusters of a run, left to right.

    Args:
        run: Pango's glyphs of one font and direction.
        text: of the whole layout, UTF-8.
        scale: font units in one Pango unit.
    """
    glyphs, count, length = run.glyphs.glyphs, run.glyphs.num_glyphs, run.item.length
    text = text[run.item.offset : run.item.offset + length]
    starts = [_grapheme(text, run.glyphs.log_clusters[i]) for i in range(count)]
    ends = dict(pairwise([*sorted(set(starts)), length]))
    for start, positions in groupby(range(count), starts.__getitem__):
        parts, advance = [], 0.0
        for position in positions:
            parts += _part(glyphs[position], advance, scale)
            advance += glyphs[position].geometry.width * scale
        characters = text[start : ends[start]].decode()
        right_to_left = run.item.analysis.level % 2
        yield _Cluster(characters[::-1] if right_to_left else characters, tuple(parts), advance)


def _grapheme(text: bytes, start: int) -> int:
    """The start of the letter that a mark at `start` belongs to: a mark alone has no advance that could be shared."""
    while start and unicodedata.combining(text[start : start + _UTF8_MAX].decode(errors="ignore")[0]):
        start -= 1
        while text[start] & 0xC0 == 0x80:  # a further byte of a character
            start -= 1
    return start


def _part(glyph: Any, x: float, scale: float) -> list[Part]:
    if glyph.glyph == pango.PANGO_GLYPH_EMPTY:
        return []
    number = _NOTDEF if glyph.glyph & pango.PANGO_GLYPH_UNKNOWN_FLAG else glyph.glyph
    return [Part(number, round(x + glyph.geometry.x_offset * scale), round(-glyph.geometry.y_offset * scale))]


def _codes(cluster: _Cluster) -> Iterator[Code]:
    if not cluster.parts and not cluster.advance:
        return  # an invisible character, such as a joiner
    share = round(cluster.advance / len(cluster.characters))
    for position, character in enumerate(cluster.characters):
        rest = round(cluster.advance) - share * (len(cluster.characters) - 1)
        yield Code(character, () if position else cluster.parts, share if position else rest)
