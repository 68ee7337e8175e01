"""The lines that three readers of PDF find in a document, each after its normal processing.

PDFium (Chrome, Android) and Poppler (Evince, Okular) return the order in which a line is read; Poppler adds direction
marks, and puts blank and comma beside a number or a Latin word on the side where it is printed. pdfminer.six returns
the order in which a line is printed: its users turn it themselves.
"""

import io
import re
import subprocess
import unicodedata

import pypdfium2
from pdfminer.high_level import extract_text

_MARKS = dict.fromkeys((*range(0x200B, 0x2010), *range(0x202A, 0x202F), *range(0x2066, 0x206A)))
_EMBEDDED = re.compile(r"\u202a([^\w\u202c]*)([^\u202c]*?)([^\w\u202c]*)\u202c")
# Digits and Latin words are printed from left to right, also within an Arabic line.
_LEFT_TO_RIGHT = re.compile(r"[0-9A-Za-z٠-٩۰-۹]+(?:[-.,:/@']+[0-9A-Za-z٠-٩۰-۹]+)*")


def pdfium(pdf):
    with pypdfium2.PdfDocument(pdf) as document:
        return _lines("\n".join(page.get_textpage().get_text_range() for page in document))


def poppler(pdf):
    read = subprocess.run(
        ["pdftotext", "-enc", "UTF-8", "-", "-"], input=pdf, capture_output=True, check=True
    )
    return _lines(_EMBEDDED.sub(lambda it: f"{it[3][::-1]}{it[2]}{it[1][::-1]}", read.stdout.decode()))


def pdfminer(pdf):
    return [_turned(line) for line in _lines(extract_text(io.BytesIO(pdf)))]


READERS = (pdfium, poppler, pdfminer)


def normal(text):
    """The text in NFC, without invisible marks and double blanks."""
    return " ".join(unicodedata.normalize("NFC", text.translate(_MARKS)).split())


def _lines(text):
    return [line for line in map(normal, re.split(r"[\r\n\f]+", text)) if line]


def _turned(line):
    """A line from the printed order to the order in which it is read."""
    if not any(unicodedata.bidirectional(letter) in {"R", "AL"} for letter in line):
        return line
    return normal(_LEFT_TO_RIGHT.sub(lambda found: found[0][::-1], line[::-1]))
