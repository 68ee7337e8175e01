"""Renders and signs documents in a pool of processes: `await renderer.render(document)`."""

import asyncio
import contextlib
import os
import signal
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from types import TracebackType
from typing import Self

from opentelemetry import trace

from notary.document_renderer import worker
from notary.document_renderer.document import Document, DocumentError
from notary.document_renderer.signing import SignerFiles

ATTEMPTS = 2
"""A document whose process died is tried once more; after a second death the document counts as the cause."""


class RendererError(Exception):
    """The document was not rendered; a retry may succeed."""


class RendererBusy(RendererError):
    """The limit of waiting documents is reached."""


class RendererTimeout(RendererError):
    """Rendering took longer than the time limit."""


# A fork server: gRPC and the service's threads would not survive a fork of their own process, and a killed process is
# replaced without importing the libraries again (2 seconds).
_FORKSERVER = get_context("forkserver")
_FORKSERVER.set_forkserver_preload([worker.__name__])


class _WorkerProcess:
    """One process, for one document at a time, so that its death or a kill affects no other document."""

    def __init__(self, files: SignerFiles) -> None:
        self._pool = ProcessPoolExecutor(
            1, mp_context=_FORKSERVER, initializer=worker.initialize, initargs=(files,)
        )
        self.pid = 0

    async def warm_up(self) -> None:
        """Wait until the process has loaded key and fonts."""
        # In a thread: `submit` blocks until the fork server has started the process.
        self.pid = await asyncio.to_thread(lambda: self._pool.submit(worker.process_id).result())

    async def render(self, document: Document) -> worker.SignedDocument:
        if not self.pid:
            await self.warm_up()
        return await asyncio.get_running_loop().run_in_executor(self._pool, worker.render, document)

    def kill(self) -> None:
        if self.pid:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)
        self._pool.shutdown(wait=False, cancel_futures=True)

    async def close(self) -> None:
        await asyncio.get_running_loop().run_in_executor(None, self._pool.shutdown)


class DocumentRenderer:
    """A pool of processes that render and sign.

    Args:
        files: key, certificate and authority.
        workers: number of processes; each handles one document at a time.
        waiting_limit: documents that may wait for a process; a further one is refused.
        timeout_seconds: time limit of one document, waiting included.
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
        files.load()  # an unusable key is an error at the start, not at the first document
        self._files = files
        self.timeout_seconds = timeout_seconds
        self._tracer = tracer or trace.get_tracer("notary.document_renderer")
        self._limit = workers + waiting_limit
        self._in_hand = 0
        self._processes = [_WorkerProcess(files) for _ in range(workers)]
        self._idle: asyncio.Queue[_WorkerProcess] = asyncio.Queue()
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

    async def _render_within_limit(self, document: Document) -> worker.SignedDocument:
        try:
            async with asyncio.timeout(self.timeout_seconds):
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

    async def _render_once(self, document: Document) -> worker.SignedDocument:
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

    def _replace(self, process: _WorkerProcess) -> _WorkerProcess:
        process.kill()
        replacement = _WorkerProcess(self._files)
        self._processes[self._processes.index(process)] = replacement
        return replacement

    def _trace_parts(self, signed: worker.SignedDocument) -> None:
        """Create spans for the process's work here, so that the process needs no exporter."""
        for name, started_ns, ended_ns in signed.parts:
            self._tracer.start_span(f"renderer.{name}", start_time=started_ns).end(ended_ns)
