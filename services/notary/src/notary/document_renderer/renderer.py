"""Renders and signs documents in a pool of processes: `await renderer.make(document)`."""

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

TRIES = 2
"""A document whose process died is tried once more; a second death is the document's own doing."""


class PressError(Exception):
    """The document was not made; trying later may help."""


class PressBusy(PressError):
    """As many documents wait as may wait."""


class PressTimeout(PressError):
    """It took longer than the renderer gives a document."""


# Forked from a server that was spawned for it: the service's threads and gRPC would not survive a fork of their own
# process, and a process of the renderer that was killed is replaced without reading its libraries again (2 seconds).
_PROCESSES = get_context("forkserver")
_PROCESSES.set_forkserver_preload([worker.__name__])


class _Machine:
    """One process, one document at a time, so that a death or a kill touches no other document."""

    def __init__(self, files: SignerFiles) -> None:
        self._pool = ProcessPoolExecutor(
            1, mp_context=_PROCESSES, initializer=worker.begin, initargs=(files,)
        )
        self.pid = 0

    async def warm(self) -> None:
        """Wait until the process has loaded key and fonts."""
        # In a thread: who makes a pool start its process waits until the server has forked it.
        self.pid = await asyncio.to_thread(lambda: self._pool.submit(worker.identify).result())

    async def make(self, document: Document) -> worker.Sheet:
        if not self.pid:
            await self.warm()
        return await asyncio.get_running_loop().run_in_executor(self._pool, worker.make, document)

    def kill(self) -> None:
        if self.pid:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)
        self._pool.shutdown(wait=False, cancel_futures=True)

    async def close(self) -> None:
        await asyncio.get_running_loop().run_in_executor(None, self._pool.shutdown)


class DocumentRenderer:
    """A pool of processes that print and sign.

    Args:
        files: key, certificate and authority.
        workers: processes; each works on one document at a time.
        waiting_limit: documents that may wait for a process; one more is refused.
        timeout_seconds: for one document, waiting included.
        tracer: makes the spans; the program's own when none is given.

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
        files.load()  # an unusable key is said at the start, not at the first document
        self._files = files
        self.timeout_seconds = timeout_seconds
        self._tracer = tracer or trace.get_tracer("notary.document_renderer")
        self._limit = workers + waiting_limit
        self._in_hand = 0
        self._machines = [_Machine(files) for _ in range(workers)]
        self._idle: asyncio.Queue[_Machine] = asyncio.Queue()
        for machine in self._machines:
            self._idle.put_nowait(machine)

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        await self.close()

    async def start(self) -> None:
        """Warm every process up: the first document waits for no import and no font."""
        await asyncio.gather(*(machine.warm() for machine in self._machines))

    async def close(self) -> None:
        """Finish what is in hand and end the processes."""
        await asyncio.gather(*(machine.close() for machine in self._machines))

    def process_ids(self) -> list[int]:
        """Of the processes; 0 for one that is still starting."""
        return [machine.pid for machine in self._machines]

    async def make(self, document: Document) -> bytes:
        """The signed PDF.

        Raises:
            DocumentError: the document is not fit to print, now or later.
            PressBusy: too many documents wait.
            PressTimeout: it took too long.
            PressError: two processes in a row died of it.
        """
        document.check()
        if self._in_hand >= self._limit:
            raise PressBusy(f"{self._in_hand} documents are in hand")
        self._in_hand += 1
        try:
            with self._tracer.start_as_current_span("renderer.make") as span:
                sheet = await self._within_time(document)
                span.set_attribute("document.bytes", len(sheet.pdf))
                self._trace_parts(sheet)
                return sheet.pdf
        finally:
            self._in_hand -= 1

    async def _within_time(self, document: Document) -> worker.Sheet:
        try:
            async with asyncio.timeout(self.timeout_seconds):
                for _ in range(TRIES):
                    with contextlib.suppress(BrokenProcessPool):
                        return await self._on_a_machine(document)
        except TimeoutError as error:
            raise PressTimeout(f"not made within {self.timeout_seconds} s") from error
        except DocumentError:
            raise
        except Exception as error:  # noqa: BLE001  whatever a library raised becomes one error of ours
            # A library's own text may quote the page, and with it a citizen.
            raise PressError(f"printing failed with {type(error).__name__}") from None
        raise PressError(f"{TRIES} processes died in a row")

    async def _on_a_machine(self, document: Document) -> worker.Sheet:
        machine = await self._idle.get()
        try:
            sheet = await machine.make(document)
        except DocumentError:
            self._idle.put_nowait(machine)
            raise
        except BaseException:
            # Dead, or (after a time-out, or when the caller went away) at work on what nobody wants: replaced.
            self._idle.put_nowait(self._replace(machine))
            raise
        self._idle.put_nowait(machine)
        return sheet

    def _replace(self, machine: _Machine) -> _Machine:
        machine.kill()
        fresh = _Machine(self._files)
        self._machines[self._machines.index(machine)] = fresh
        return fresh

    def _trace_parts(self, sheet: worker.Sheet) -> None:
        """The process's own work as spans, made here: a renderer needs no exporter of its own."""
        for name, began_ns, ended_ns in sheet.parts:
            self._tracer.start_span(f"renderer.{name}", start_time=began_ns).end(ended_ns)
