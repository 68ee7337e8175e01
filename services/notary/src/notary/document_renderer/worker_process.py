"""One process of the renderer."""

import asyncio
import contextlib
import os
import shutil
import signal
import tempfile
import threading
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context, resource_tracker

from notary.document_renderer import tasks
from notary.document_renderer.document import Document, SignedDocument
from notary.document_renderer.signer_files import SignerFiles

PROCESS_LOG = "notary.document_renderer.process_log"
_STDERR = 2
_tracker = threading.Lock()

# A fork server: gRPC and the service's threads would not survive a fork of their own process, and a killed process is
# replaced without importing the libraries again (2 seconds).
_FORKSERVER = get_context("forkserver")
_FORKSERVER.set_forkserver_preload([PROCESS_LOG, tasks.WORKER])


class WorkerProcess:
    """One process, for one document at a time, so that its death or a kill affects no other document."""

    def __init__(self, files: SignerFiles) -> None:
        _start_tracker()
        # WeasyPrint's temporary files; a killed process cannot delete them.
        self._folder = tempfile.mkdtemp(prefix="diwan-renderer-")
        self._pool = ProcessPoolExecutor(
            1, mp_context=_FORKSERVER, initializer=tasks.initialize, initargs=(files, self._folder)
        )
        self.pid = 0

    async def warm_up(self) -> None:
        """Wait until the process has loaded key and fonts."""
        # In a thread: `submit` blocks until the fork server has started the process.
        self.pid = await asyncio.to_thread(lambda: self._pool.submit(tasks.process_id).result())

    async def render(self, document: Document) -> SignedDocument:
        if not self.pid:
            await self.warm_up()
        return await asyncio.get_running_loop().run_in_executor(self._pool, tasks.render, document)

    def kill(self) -> None:
        if self.pid:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)
        self._pool.shutdown(wait=False, cancel_futures=True)
        shutil.rmtree(self._folder, ignore_errors=True)

    async def close(self) -> None:
        await asyncio.to_thread(self._pool.shutdown)
        shutil.rmtree(self._folder, ignore_errors=True)


def _start_tracker() -> None:
    """Start multiprocessing's resource tracker, a process of its own, without a stderr.

    Its plain lines name the semaphores of a killed process, which it removes: nothing is left for an operator to do.
    """
    with _tracker:
        kept, nothing = os.dup(_STDERR), os.open(os.devnull, os.O_WRONLY)
        try:
            os.dup2(nothing, _STDERR)
            resource_tracker.ensure_running()
        finally:
            os.dup2(kept, _STDERR)
            os.close(kept)
            os.close(nothing)
