"""Functions that run in a renderer's own process: without event loop, gRPC, store, or other modules of the service."""

import os
import signal
import threading
import time
from dataclasses import dataclass
from multiprocessing import connection, parent_process

from pyhanko.sign import signers

from notary.document_renderer import page, signing
from notary.document_renderer.document import Document


@dataclass(frozen=True)
class SignedDocument:
    """A signed PDF, and for each part of the work its name, start and end (nanoseconds since 1970)."""

    pdf: bytes
    parts: tuple[tuple[str, int, int], ...]


_signer: signers.SimpleSigner | None = None


def initialize(files: signing.SignerFiles) -> None:
    """Initialise the process: load key and fonts, ignore SIGINT, end with the parent process."""
    global _signer  # noqa: PLW0603  one signer a process, loaded by the pool's initializer
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    _signer = files.load()
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


def _end_with_parent() -> None:
    parent = parent_process()
    if parent is not None:
        connection.wait([parent.sentinel])
        os._exit(1)
