"""The tasks of a renderer's process, by name, for the process that hands them over.

The modules behind them load WeasyPrint and pyHanko, which takes seconds and memory: only the fork server imports them.
"""

import importlib
from typing import Any

from notary.document_renderer.document import Document, SignedDocument
from notary.document_renderer.signer_files import SignerFiles

WORKER = "notary.document_renderer.worker"


def initialize(files: SignerFiles, folder: str) -> None:
    """Initialise the process; see `worker.initialize`."""
    _worker().initialize(files, folder)


def process_id() -> int:
    """The process's id; as a task of the pool it runs after `initialize`."""
    process_id: int = _worker().process_id()
    return process_id


def render(document: Document) -> SignedDocument:
    """Render and sign; DocumentError if the document cannot be printed."""
    signed: SignedDocument = _worker().render(document)
    return signed


def _worker() -> Any:
    return importlib.import_module(WORKER)
