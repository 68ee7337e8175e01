"""Files sent as a stream of requests: complete files reach the handler, all others are refused."""

import asyncio
import hashlib
import os
import uuid

import pytest
from chassis.rpc.uploads import MAX_UPLOADS
from chassis.settings import ServiceSettings
from google.protobuf import any_pb2
from google.rpc import error_details_pb2
from grpc_status import rpc_status

CHUNK = 16 * 1024


def sha256(content):
    return hashlib.sha256(content).hexdigest()


def chunks(content, size=CHUNK):
    return [content[at : at + size] for at in range(0, len(content), size)]


class Sender:
    """Sends files to the trial service."""

    def __init__(self, harness):
        self.harness = harness
        self.call = harness.rpc("Upload")

    def header(self, content, **fields):
        header = {"request_id": str(uuid.uuid4()), "sha256": sha256(content), "size_bytes": len(content)}
        return self.harness.trial.UploadRequest(header=header | fields)

    def chunk(self, content):
        return self.harness.trial.UploadRequest(chunk=content)

    def open(self, *messages, caller="a-1"):
        """Start an upload with these messages; the stream remains open."""
        stream = self.call(metadata=self.harness.bearer(who=caller))

        async def write():
            for message in messages:
                await stream.write(message)

        return stream, asyncio.create_task(write())

    def send(self, *messages, caller="a-1"):
        return self.call(iter(messages), metadata=self.harness.bearer(who=caller))

    async def reason(self, *messages):
        """Send messages that are refused; return code and reason."""
        error = await self.harness.refused(self.send(*messages))
        return error.code().name, reason(error)


def reason(error):
    info = error_details_pb2.ErrorInfo()
    for detail in rpc_status.from_call(error).details:
        assert isinstance(detail, any_pb2.Any)
        detail.Unpack(info)
        return info.reason
    raise AssertionError(error)


@pytest.fixture
def sender(harness):
    return Sender(harness)


@pytest.mark.parametrize("size", [0, 1, CHUNK, CHUNK + 1, 10 * CHUNK])
async def test_a_complete_file_reaches_the_handler(sender, size):
    content = os.urandom(size)

    answer = await sender.send(sender.header(content), *map(sender.chunk, chunks(content)))

    assert answer.text == sha256(content)


async def test_the_size_of_the_chunks_does_not_matter(sender):
    content = os.urandom(2000)

    answer = await sender.send(sender.header(content), *map(sender.chunk, chunks(content, 7)))

    assert answer.text == sha256(content)


async def test_the_same_file_with_the_same_request_id_is_the_same_request(sender):
    content = os.urandom(100)
    header = sender.header(content)

    for size in (50, 100):
        await sender.send(header, *map(sender.chunk, chunks(content, size)))

    first, second = sender.harness.servicer.uploads
    assert (first.id, first.content_hash) == (second.id, second.content_hash)


async def test_a_header_without_a_file_is_refused(sender):
    assert await sender.reason(sender.header(b"content")) == ("INVALID_ARGUMENT", "UPLOAD_DIFFERS")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"size_bytes": 99}, "UPLOAD_TOO_LARGE"),
        ({"size_bytes": 101}, "UPLOAD_DIFFERS"),
        ({"sha256": "0" * 64}, "UPLOAD_DIFFERS"),
        ({"size_bytes": 1024 * 1024 + 1}, "UPLOAD_TOO_LARGE"),
        ({"size_bytes": -1}, "VALIDATION"),
        ({"sha256": "0" * 63}, "VALIDATION"),
        ({"request_id": "first"}, "VALIDATION"),
    ],
)
async def test_a_file_that_contradicts_its_header_is_refused(sender, change, reason):
    content = os.urandom(100)

    refusal = await sender.reason(sender.header(content, **change), sender.chunk(content))

    assert refusal == ("INVALID_ARGUMENT", reason)
    assert sender.harness.servicer.uploads == []


async def test_messages_in_another_order_are_refused(sender):
    content = os.urandom(100)
    header, chunk = sender.header(content), sender.chunk(content)

    for messages in ((), (chunk,), (header, header), (header, chunk, header), (type(header)(),)):
        assert await sender.reason(*messages) == ("INVALID_ARGUMENT", "UPLOAD_MALFORMED"), messages


async def test_a_chunk_that_is_empty_or_too_large_is_refused(sender):
    for content in (b"", os.urandom(CHUNK + 1)):
        refusal = await sender.reason(sender.header(content), sender.chunk(content))
        assert refusal == ("INVALID_ARGUMENT", "VALIDATION")


async def test_bytes_that_are_no_message_are_refused(sender):
    assert await sender.reason(b"\xff\xff") == ("INVALID_ARGUMENT", "VALIDATION")


async def test_a_caller_without_a_token_is_refused_before_it_sends_the_file(sender):
    stream = sender.call()

    error = await sender.harness.refused(stream)  # the stream was never closed, nor written to

    assert error.code().name == "UNAUTHENTICATED"


async def test_a_caller_that_pauses_for_too_long_is_refused(sender):
    sender.harness.server._pipeline._uploads._idle_seconds = 0.05  # the server reads the setting at its start
    stream, writing = sender.open(sender.header(b"content"))

    error = await sender.harness.refused(stream)

    await writing
    assert (error.code().name, reason(error)) == ("DEADLINE_EXCEEDED", "UPLOAD_IDLE")


async def test_a_caller_sends_two_files_at_a_time(sender):
    content = os.urandom(100)
    uploads = [sender.open(sender.header(content)) for _ in range(2)]
    await asyncio.gather(*(writing for _, writing in uploads))
    await _places_taken(sender, 2)

    refusal = await sender.reason(sender.header(content), sender.chunk(content))
    other = await sender.send(sender.header(content), sender.chunk(content), caller="a-2")

    assert refusal == ("RESOURCE_EXHAUSTED", "TOO_MANY_UPLOADS")
    assert other.text == sha256(content)
    for stream, _ in uploads:
        await stream.write(sender.chunk(content))
        await stream.done_writing()
        assert (await stream).text == sha256(content)


async def test_all_callers_together_send_a_limited_number_of_files(sender):
    content = os.urandom(100)
    uploads = [sender.open(sender.header(content), caller=f"a-{n}") for n in range(MAX_UPLOADS)]
    await asyncio.gather(*(writing for _, writing in uploads))
    await _places_taken(sender, MAX_UPLOADS)

    assert await sender.reason(sender.header(content)) == ("RESOURCE_EXHAUSTED", "TOO_MANY_UPLOADS")
    for stream, _ in uploads:
        stream.cancel()


async def test_an_abandoned_upload_frees_its_place(sender):
    content = os.urandom(100)
    for _ in range(2):
        stream, writing = sender.open(sender.header(content))
        await writing
        await _places_taken(sender, 1)
        stream.cancel()
        await _places_taken(sender, 0)

    assert (await sender.send(sender.header(content), sender.chunk(content))).text == sha256(content)


async def _places_taken(sender, count):
    async with asyncio.timeout(30):
        while sender.harness.server._pipeline._uploads._current.total() != count:  # noqa: ASYNC110 -- no notification
            await asyncio.sleep(0.005)


def test_a_stream_of_requests_without_the_form_of_a_file_is_refused_at_start(harness):
    with pytest.raises(TypeError, match="needs a field `bytes chunk`"):
        harness.make([(harness.trial.formless, harness.servicer)])


def test_a_service_that_takes_files_has_their_settings(harness):
    limits = {"max_upload_bytes", "upload_idle_seconds", "max_uploads_per_caller"}
    harness.settings = ServiceSettings(**harness.settings.model_dump(exclude=limits))

    with pytest.raises(
        TypeError, match="Upload takes a file, so the settings must derive from UploadSettings"
    ):
        harness.make([(harness.trial.service, harness.servicer)])
