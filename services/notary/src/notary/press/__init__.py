"""The press: prints a document as an Arabic PDF and signs it, in processes of its own."""

from notary.press.document import Document, DocumentError, Party
from notary.press.press import Press, PressBusy, PressError, PressTimeout
from notary.press.signing import SignerFiles

__all__ = [
    "Document", "DocumentError", "Party", "Press", "PressBusy", "PressError", "PressTimeout", "SignerFiles",
]  # fmt: skip
