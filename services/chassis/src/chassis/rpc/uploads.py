"""Files that a caller sends in a stream of requests.

The first message is a header, each further one a chunk of the file's bytes:

    message LoadCardsRequest {
      oneof part {
        LoadCardsHeader header = 1;
        bytes chunk = 2;
      }
    }

The header has `request_id`, `sha256` (of the file, 64 hex digits), `size_bytes`, and what the RPC needs besides. The
server collects the chunks in a temporary file without a name, which ends with the call or the process. The handler is
called when the file is complete and has the announced size and hash.
"""

import asyncio
import hashlib
import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, Any, Final, Generic, TypeVar

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

from chassis.errors import ChassisError
from chassis.rpc import validation
from chassis.settings import UploadSettings

MAX_UPLOADS: Final = 16
"""Files that one process receives at a time; with the size limit, they bound the space of temporary files."""

UPLOAD_SECONDS: Final = 900.0
"""Longest duration of an upload."""

H = TypeVar("H", bound=Message)


class UploadMalformed(ChassisError):
    """The first message is not a header, or a further one is not a chunk."""

    reason = "UPLOAD_MALFORMED"
    code = "INVALID_ARGUMENT"


class UploadTooLarge(ChassisError):
    """The file is larger than the service accepts, or than its header states."""

    reason = "UPLOAD_TOO_LARGE"
    code = "INVALID_ARGUMENT"


class UploadDiffers(ChassisError):
    """The received bytes have another size or another SHA-256 than the header states."""

    reason = "UPLOAD_DIFFERS"
    code = "INVALID_ARGUMENT"


class UploadIdle(ChassisError):
    """The caller sent nothing for too long."""

    reason = "UPLOAD_IDLE"
    code = "DEADLINE_EXCEEDED"


class TooManyUploads(ChassisError):
    """The caller, or the process, receives as many files as it may at a time."""

    reason = "TOO_MANY_UPLOADS"
    code = "RESOURCE_EXHAUSTED"


@dataclass(frozen=True)
class Upload(Generic[H]):
    """A complete file.

    Attributes:
        header: the first message's header.
        file: the bytes, from the start; closed when the call ends.
    """

    header: H
    file: IO[bytes]


def check_form(message: Descriptor) -> None:
    """Raise TypeError unless a request has the form of an upload; called at start."""
    header, chunk = message.fields_by_name.get("header"), message.fields_by_name.get("chunk")
    fields = header.message_type.fields_by_name if header and header.message_type else {}
    if (
        chunk is None
        or chunk.type != FieldDescriptor.TYPE_BYTES
        or not {"request_id", "sha256", "size_bytes"} <= set(fields)
    ):
        msg = (
            f"{message.full_name} is the request of a stream, so it needs a field `bytes chunk` and a message "
            "`header` with request_id, sha256 and size_bytes"
        )
        raise TypeError(msg)


class Uploads:
    """Receives files, within limits."""

    def __init__(self, settings: UploadSettings) -> None:
        self._max_bytes = settings.max_upload_bytes
        self._idle_seconds = settings.upload_idle_seconds
        self._max_per_caller = settings.max_uploads_per_caller
        self._current: Counter[str] = Counter()

    @contextmanager
    def place(self, caller: str) -> Iterator[None]:
        """Occupy a place for one upload of a caller. Raises TooManyUploads."""
        if self._current[caller] >= self._max_per_caller or self._current.total() >= MAX_UPLOADS:
            msg = "Too many files are being received; repeat the request when one of them is complete"
            raise TooManyUploads(msg, limit=str(self._max_per_caller))
        self._current[caller] += 1
        try:
            yield
        finally:
            self._current -= Counter((caller,))  # removes callers without uploads, unlike a decrement

    @contextmanager
    def file(self) -> Iterator[IO[bytes]]:
        """A temporary file without a name."""
        with tempfile.TemporaryFile(prefix="diwan-upload-") as file:
            yield file

    async def receive(
        self, request: type[Message], messages: AsyncIterator[bytes], file: IO[bytes]
    ) -> Upload[Any]:
        """Write the chunks to the file and check them against the header.

        Raises:
            Invalid: a message violates the rules of its proto.
            ChassisError: one of this module.
        """
        first = await self._next(request, messages)
        if first is None or first.WhichOneof("part") != "header":
            raise UploadMalformed("The first message of the stream is not a header")
        header: Any = first.header  # type: ignore[attr-defined]  # check_form has found it
        if header.size_bytes > self._max_bytes:
            raise UploadTooLarge("The file is larger than the service accepts", limit=str(self._max_bytes))
        digest, size = hashlib.sha256(), 0
        while (message := await self._next(request, messages)) is not None:
            if message.WhichOneof("part") != "chunk":
                raise UploadMalformed("A message after the header is not a chunk")
            chunk: bytes = message.chunk  # type: ignore[attr-defined]  # as above
            size += len(chunk)
            if size > header.size_bytes:
                raise UploadTooLarge(
                    "The file is larger than its header states", limit=str(header.size_bytes)
                )
            digest.update(chunk)
            file.write(chunk)  # a chunk goes to the page cache in microseconds; a thread would cost more
        if size != header.size_bytes:
            raise UploadDiffers("The file is shorter than its header states", field="header.size_bytes")
        if digest.hexdigest() != header.sha256.lower():
            raise UploadDiffers("The file has another SHA-256 than its header states", field="header.sha256")
        file.seek(0)
        return Upload(header, file)

    async def _next(self, request: type[Message], messages: AsyncIterator[bytes]) -> Message | None:
        """The next message of the stream, or None at its end. Raises UploadIdle."""
        try:
            async with asyncio.timeout(self._idle_seconds):
                raw = await anext(messages, None)
        except TimeoutError as error:
            raise UploadIdle("The caller sent nothing for too long") from error
        return None if raw is None else validation.parse(request, raw)
