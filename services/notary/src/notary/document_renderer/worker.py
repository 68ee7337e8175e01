"""Functions that run in a renderer's own process: without event loop, gRPC, store, or other modules of the service."""

import os
import shutil
import signal
import tempfile
import threading
import time
from multiprocessing import connection, parent_process

from pyhanko.sign import signers

from notary.document_renderer import page, signing
from notary.document_renderer.document import Document, SignedDocument
from notary.document_renderer.signer_files import SignerFiles

_signer: signers.SimpleSigner | None = None


def initialize(files: SignerFiles, folder: str) -> None:
    """Initialise the process: load key and fonts, ignore SIGINT, end with the parent process.

    Args:
        files: of the signer.
        folder: for temporary files; the parent deletes it when the process has ended.
    """
    global _signer  # noqa: PLW0603  one signer a process, loaded by the pool's initializer
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    tempfile.tempdir = folder
    threading.Thread(target=_end_with_parent, args=(folder,), daemon=True).start()
    _signer = signing.load(files)
    page.warm_up()


def process_id() -> int:
    """The process's id; as a task of the pool it runs after `initialize`."""
    return os.getpid()


def render(document: Document) -> SignedDocument:
    """Render and sign; DocumentError if the document cannot be printed."""
    assert _signer is not None
    started = time.time_ns()
    unsigned = page.pdf(document)
    rendered = time.time_ns()
    signed = signing.sign(unsigned, _signer)
    return SignedDocument(signed, (("print", started, rendered), ("sign", rendered, time.time_ns())))


def _end_with_parent(folder: str) -> None:
    parent = parent_process()
    if parent is not None:
        connection.wait([parent.sentinel])
        shutil.rmtree(folder, ignore_errors=True)
        os._exit(1)
