"""Renders and signs documents in a pool of processes: `await renderer.render(document)`."""

import asyncio
import contextlib
from concurrent.futures.process import BrokenProcessPool
from types import TracebackType
from typing import Self

from opentelemetry import trace

from notary.document_renderer.document import Document, DocumentError, SignedDocument
from notary.document_renderer.signer_files import SignerFiles
from notary.document_renderer.worker_process import WorkerProcess

ATTEMPTS = 2
"""A document whose process died is tried once more; after a second death the document counts as the cause."""


class RendererError(Exception):
    """The document was not rendered; a retry may succeed."""


class RendererBusy(RendererError):
    """The limit of waiting documents is reached."""


class RendererTimeout(RendererError):
    """Rendering took longer than the time limit."""


class DocumentRenderer:
    """A pool of processes that render and sign.

    Args:
        files: key, certificate and authority.
        workers: number of processes; each handles one document at a time.
        waiting_limit: documents that may wait for a process; a further one is refused.
        timeout_seconds: time limit of one document, from the moment when a process is free for it.
        tracer: creates the spans; the program's own if not given.

    """

    def __init__(
        self,
        files: SignerFiles,
        *,
        workers: int = 1,
        waiting_limit: int = 64,
        timeout_seconds: float = 25,
        tracer: trace.Tracer | None = None,
    ) -> None:
        files.check()  # an unusable key is an error at the start, not at the first document
        self._files = files
        self.timeout_seconds = timeout_seconds
        self._tracer = tracer or trace.get_tracer("notary.document_renderer")
        self.workers = workers
        self._limit = workers + waiting_limit
        self._in_hand = 0
        self._processes = [WorkerProcess(files) for _ in range(workers)]
        self._slots = asyncio.Semaphore(workers)
        self._idle: asyncio.Queue[WorkerProcess] = asyncio.Queue()
        for process in self._processes:
            self._idle.put_nowait(process)

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        await self.close()

    async def start(self) -> None:
        """Start every process and load its libraries and fonts before the first document."""
        await asyncio.gather(*(process.warm_up() for process in self._processes))

    async def close(self) -> None:
        """Finish the documents in hand and end the processes."""
        await asyncio.gather(*(process.close() for process in self._processes))

    def process_ids(self) -> list[int]:
        """Process ids; 0 for a process that is still starting."""
        return [process.pid for process in self._processes]

    async def render(self, document: Document) -> bytes:
        """The signed PDF.

        Raises:
            DocumentError: the document cannot be printed, now or later.
            RendererBusy: too many documents wait.
            RendererTimeout: it took longer than the time limit.
            RendererError: a library failed, or two processes in a row died.
        """
        document.check()
        if self._in_hand >= self._limit:
            raise RendererBusy(f"{self._in_hand} documents are in hand")
        self._in_hand += 1
        try:
            with self._tracer.start_as_current_span("renderer.make") as span:
                signed = await self._render_within_limit(document)
                span.set_attribute("document.bytes", len(signed.pdf))
                self._trace_parts(signed)
                return signed.pdf
        finally:
            self._in_hand -= 1

    async def _render_within_limit(self, document: Document) -> SignedDocument:
        try:
            # The limit counts from the start of the work: a document is not late because others come before it.
            async with self._slots, asyncio.timeout(self.timeout_seconds):
                for _ in range(ATTEMPTS):
                    with contextlib.suppress(BrokenProcessPool):
                        return await self._render_once(document)
        except TimeoutError as error:
            raise RendererTimeout(f"not rendered within {self.timeout_seconds} s") from error
        except DocumentError:
            raise
        except Exception as error:  # noqa: BLE001  every exception of a library becomes one error of ours
            # A library's text may quote the page, and with it personal data.
            raise RendererError(f"rendering failed with {type(error).__name__}") from None
        raise RendererError(f"{ATTEMPTS} processes died in a row")

    async def _render_once(self, document: Document) -> SignedDocument:
        process = await self._idle.get()
        try:
            signed = await process.render(document)
        except DocumentError:
            self._idle.put_nowait(process)
            raise
        except BaseException:
            # The process died, or is busy with a document that timed out or whose caller was cancelled: replaced.
            self._idle.put_nowait(self._replace(process))
            raise
        self._idle.put_nowait(process)
        return signed

    def _replace(self, process: WorkerProcess) -> WorkerProcess:
        process.kill()
        replacement = WorkerProcess(self._files)
        self._processes[self._processes.index(process)] = replacement
        return replacement

    def _trace_parts(self, signed: SignedDocument) -> None:
        """Create spans for the process's work here, so that the process needs no exporter."""
        for name, started_ns, ended_ns in signed.parts:
            self._tracer.start_span(f"renderer.{name}", start_time=started_ns).end(ended_ns)
