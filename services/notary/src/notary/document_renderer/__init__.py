"""The renderer: prints a document as an Arabic PDF and signs it, in processes of its own."""

from notary.document_renderer.document import Document, DocumentError, Party
from notary.document_renderer.renderer import DocumentRenderer, PressBusy, PressError, PressTimeout
from notary.document_renderer.signing import SignerFiles

__all__ = [
    "Document",
    "DocumentError",
    "DocumentRenderer",
    "Party",
    "PressBusy",
    "PressError",
    "PressTimeout",
    "SignerFiles",
]  # fmt: skip
