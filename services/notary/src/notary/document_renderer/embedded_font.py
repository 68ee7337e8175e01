"""A TrueType font for one PDF, whose glyphs are the codes of the text layer."""

import io
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

import pydyf
from fontTools.fontBuilder import FontBuilder
from fontTools.ttLib import TTFont
from fontTools.ttLib.tables import _g_l_y_f as glyf

_OFFSETS: Final = 0x0002
"""TrueType's flag ARGS_ARE_XY_VALUES."""
_SYMBOLIC: Final = 4
_STEM: Final = 80
_BATCH: Final = 100
"""Longest list in a ToUnicode map (ISO 32000-1, 9.10.3)."""
_NOTDEF: Final = ".notdef"


@dataclass(frozen=True)
class Part:
    """A glyph of the source font, and its offset from the start of the cluster, font units."""

    glyph: int
    x: int
    y: int


@dataclass(frozen=True)
class Code:
    """One character, the glyphs that it draws, and its advance in font units."""

    character: str
    parts: tuple[Part, ...]
    advance: int


class EmbeddedFont:
    """A font of a document: numbers the codes while the pages are drawn, and is embedded after that.

    Args:
        font: WeasyPrint's font.
    """

    def __init__(self, font: Any) -> None:
        self._font = font
        self._codes: dict[Code, int] = {}
        self.name = f"{font.hash}T"
        self.units_per_em: int = font.upem

    @property
    def is_plain(self) -> bool:
        """Whether the font has static TrueType outlines, and no pictures."""
        font = self._font
        special = (font.bitmap, font.png, font.svg, font.colr, "fvar" in font.tables)
        return "glyf" in font.tables and not any(special)

    @property
    def is_used(self) -> bool:
        """Whether it has a code."""
        return bool(self._codes)

    def number(self, code: Code) -> int:
        """The number of a code, from 1; the same code has the same number."""
        return self._codes.setdefault(code, len(self._codes) + 1)

    def embed(self, pdf: pydyf.PDF) -> bytes:
        """Add the font to a PDF; its reference."""
        program = _program(self._font.file_content, self._font.index, tuple(self._codes))
        file = _added(
            pdf, pydyf.Stream([program], pydyf.Dictionary({"Length1": len(program)}), compress=True)
        )
        widths = [round(code.advance * 1000 / self.units_per_em) for code in self._codes]
        descriptor = {
            "Type": "/FontDescriptor",
            "FontName": self._font.name,
            "FontFamily": pydyf.String(self._font.family),
            "Flags": _SYMBOLIC,
            "FontBBox": pydyf.Array([0, self._font.descent, max(widths), self._font.ascent]),
            "ItalicAngle": 0,
            "Ascent": self._font.ascent,
            "Descent": self._font.descent,
            "CapHeight": self._font.ascent,
            "StemV": _STEM,
            "FontFile2": file,
        }
        descendant = {
            "Type": "/Font",
            "Subtype": "/CIDFontType2",
            "BaseFont": self._font.name,
            "CIDSystemInfo": _identity("Adobe", "Identity"),
            "CIDToGIDMap": "/Identity",
            "W": pydyf.Array([1, pydyf.Array(widths)]),
            "FontDescriptor": _added(pdf, pydyf.Dictionary(descriptor)),
        }
        font = {
            "Type": "/Font",
            "Subtype": "/Type0",
            "BaseFont": self._font.name,
            "Encoding": "/Identity-H",
            "DescendantFonts": pydyf.Array([_added(pdf, pydyf.Dictionary(descendant))]),
            "ToUnicode": _added(pdf, pydyf.Stream([_to_unicode(self._codes)], compress=True)),
        }
        return _added(pdf, pydyf.Dictionary(font))


def _added(pdf: pydyf.PDF, item: pydyf.Object) -> bytes:
    pdf.add_object(item)
    reference: bytes = item.reference
    return reference


def _identity(registry: str, ordering: str) -> pydyf.Dictionary:
    return pydyf.Dictionary(
        {"Registry": pydyf.String(registry), "Ordering": pydyf.String(ordering), "Supplement": 0}
    )


def _to_unicode(codes: dict[Code, int]) -> bytes:
    """The ToUnicode map: each code is one character."""
    lines = [f"<{number:04x}> <{code.character.encode('utf-16-be').hex()}>" for code, number in codes.items()]
    batches = [lines[start : start + _BATCH] for start in range(0, len(lines), _BATCH)]
    mapped = "\n".join("\n".join((f"{len(batch)} beginbfchar", *batch, "endbfchar")) for batch in batches)
    return f"""/CIDInit /ProcSet findresource begin
12 dict begin
begincmap
/CIDSystemInfo << /Registry (Adobe) /Ordering (UCS) /Supplement 0 >> def
/CMapName /Adobe-Identity-UCS def
/CMapType 2 def
1 begincodespacerange
<0000> <ffff>
endcodespacerange
{mapped}
endcmap
CMapName currentdict /CMap defineresource pop
end
end""".encode()


def _program(source: bytes, index: int, codes: tuple[Code, ...]) -> bytes:
    """A font file whose glyph n draws code n; the glyphs of the source font that it consists of follow."""
    font = _opened(source, index)
    names, outlines, advances = font.getGlyphOrder(), font["glyf"], font["hmtx"].metrics
    used = _with_components(outlines, {names[part.glyph] for code in codes for part in code.parts})
    glyphs = {_NOTDEF: outlines[_NOTDEF]}
    glyphs |= {f"code{number}": _composite(code, names) for number, code in enumerate(codes, 1)}
    glyphs |= {name: outlines[name] for name in sorted(used - {_NOTDEF})}
    widths = {f"code{number}": code.advance for number, code in enumerate(codes, 1)}
    for glyph in glyphs.values():
        glyph.removeHinting()

    builder = FontBuilder(font["head"].unitsPerEm, isTTF=True)
    builder.setupGlyphOrder(list(glyphs))
    builder.setupMaxp()
    builder.setupGlyf(glyphs)
    builder.setupHorizontalMetrics(
        {
            name: (widths.get(name, advances.get(name, (0, 0))[0]), _left(glyph))
            for name, glyph in glyphs.items()
        }
    )
    builder.setupHorizontalHeader(ascent=font["hhea"].ascent, descent=font["hhea"].descent)
    builder.setupPost(keepGlyphNames=False)
    target = io.BytesIO()
    builder.save(target)
    return target.getvalue()


@lru_cache(maxsize=8)
def _opened(source: bytes, index: int) -> TTFont:
    return TTFont(io.BytesIO(source), fontNumber=index, lazy=True)


def _with_components(outlines: Any, names: set[str]) -> set[str]:
    """The names, and those of the glyphs that they consist of."""
    found = set(names)
    searched: set[str] = set()
    while new := found - searched:
        searched |= new
        found |= {part for name in new for part in outlines[name].getComponentNames(outlines)}
    return found


def _composite(code: Code, names: list[str]) -> glyf.Glyph:
    glyph = glyf.Glyph()
    if not code.parts:
        glyph.numberOfContours = 0
        return glyph
    glyph.numberOfContours = -1
    glyph.components = []
    for part in code.parts:
        component = glyf.GlyphComponent()
        component.glyphName, component.x, component.y = names[part.glyph], part.x, part.y
        component.flags = _OFFSETS
        glyph.components.append(component)
    return glyph


def _left(glyph: glyf.Glyph) -> int:
    return int(getattr(glyph, "xMin", 0))
