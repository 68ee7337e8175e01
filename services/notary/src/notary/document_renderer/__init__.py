"""The renderer: renders a document as an Arabic PDF and signs it, in processes of its own."""

from notary.document_renderer.document import Document, DocumentError, Party
from notary.document_renderer.renderer import DocumentRenderer, RendererBusy, RendererError, RendererTimeout
from notary.document_renderer.signer_files import SignerFiles

__all__ = [
    "Document",
    "DocumentError",
    "DocumentRenderer",
    "Party",
    "RendererBusy",
    "RendererError",
    "RendererTimeout",
    "SignerFiles",
]  # fmt: skip
