"""What runs in a renderer's own process: no event loop, no gRPC, no store, nothing of the service around it."""

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
class Sheet:
    """A signed PDF, and when each part of the work began and ended (nanoseconds since 1970)."""

    pdf: bytes
    parts: tuple[tuple[str, int, int], ...]


_signer: signers.SimpleSigner | None = None


def begin(files: signing.SignerFiles) -> None:
    """Make the process ready: it loads key and fonts, leaves signals to its parent, and ends with it."""
    global _signer  # noqa: PLW0603  one signer a process, made where the process begins
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    _signer = files.load()
    page.warm()


def identify() -> int:
    """The process id, told by a process that is ready."""
    return os.getpid()


def make(document: Document) -> Sheet:
    """Print and sign; DocumentError where the document is not fit to print."""
    assert _signer is not None
    started = time.time_ns()
    unsigned = page.pdf(document)
    printed = time.time_ns()
    signed = signing.sign(unsigned, _signer)
    return Sheet(signed, (("print", started, printed), ("sign", printed, time.time_ns())))


def _end_with_parent() -> None:
    parent = parent_process()
    if parent is not None:
        connection.wait([parent.sentinel])
        os._exit(1)
