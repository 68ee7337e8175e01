"""The errors of failed calls, as a client receives them."""

import asyncio
import importlib.util
import json
from datetime import timedelta

import pytest
from chassis.domain import DomainError
from chassis.errors import Contended
from chassis.protojson import Unreadable
from chassis.rpc.client import failure_of
from chassis.store import RequestLimitReached
from google.rpc import error_details_pb2, status_pb2

NATIONAL_ID = "29901011234567"
MOBILE = "+201012345678"


@pytest.fixture
def refusal(harness):
    """Return the refusals that the trial service declares, by name."""
    return {kind.__name__: kind for kind in harness.server._pipeline._errors}


def deed(harness, what):
    async def do(_request):
        if isinstance(what, BaseException):
            raise what
        await asyncio.sleep(what)

    harness.servicer.deeds["it"] = do
    return harness.rpc("Open")(harness.request(deed="it"))


async def test_a_domain_error_has_code_reason_and_metadata(harness, refusal):
    """Its class declares code and reason; domain, metadata and field are in the details."""
    error = await harness.refused(deed(harness, refusal["TrialRefusal"]("too many", "national_id")))

    failure = failure_of(error)
    assert failure.code == "FAILED_PRECONDITION"
    assert failure.reason == "TRIAL_REFUSED"
    assert failure.domain == "diwan.trial"
    assert failure.metadata == {"limit": "3"}
    assert failure.fields == (("national_id", "TRIAL_REFUSED"),)
    assert failure.message == "too many"


async def test_a_subclass_has_its_own_code(harness, refusal):
    """The class precedes its base when both are declared."""
    error = await harness.refused(deed(harness, refusal["TrialGone"]("gone")))

    assert (error.code().name, failure_of(error).reason) == ("NOT_FOUND", "TRIAL_GONE")


async def test_errors_of_the_chassis_need_no_declaration(harness):
    """Every service shares them."""
    error = await harness.refused(deed(harness, Contended()))

    assert (error.code().name, failure_of(error).reason) == ("ABORTED", "CONTENDED")


async def test_an_unknown_exception_is_internal_and_logged_with_its_frames(harness, lines):
    """Neither the error nor the log contains its text."""
    error = await harness.refused(deed(harness, RuntimeError(f"broke on {NATIONAL_ID} of Fatma Hassanein")))

    failure = failure_of(error)
    assert (failure.code, failure.reason, failure.metadata) == ("INTERNAL", "INTERNAL", {})
    assert failure.message == "Something went wrong on our side"
    logged = next(
        line for line in map(json.loads, lines.getvalue().splitlines()) if line["event"] == "rpc failed"
    )
    assert logged["exception"].startswith("RuntimeError\n")
    assert not any(each in lines.getvalue() for each in (NATIONAL_ID, "Hassanein", "broke on"))


async def test_no_personal_datum_leaves_in_an_error_a_span_or_a_line(harness, refusal, lines, spans):
    """The text of an error is masked in each of them."""
    careless = refusal["TrialRefusal"](f"{NATIONAL_ID} has {MOBILE} or ٠١٠١٢٣٤٥٦٧٨")

    error = await harness.refused(deed(harness, careless))

    await harness.ended()
    sent = str(error.details()) + str(error.trailing_metadata())
    traced = "".join(span.to_json() for span in spans.get_finished_spans())
    for text in (sent, lines.getvalue(), traced):
        assert NATIONAL_ID not in text
        assert MOBILE not in text
        assert "٠١٠١٢٣٤٥٦٧٨" not in text


async def test_an_unparsable_request_is_invalid(harness):
    """The code is INVALID_ARGUMENT, not INTERNAL."""
    error = await harness.refused(harness.rpc("Open")(b"\xff\xff\xff"))

    assert (error.code().name, failure_of(error).reason) == ("INVALID_ARGUMENT", "VALIDATION")


async def test_violated_rules_are_reported_by_path_and_rule(harness):
    """Neither values nor keys of maps are in the error."""
    request = harness.request(
        request_id="7", national_id="1" * 14, notes=["ok", "too long"], marks={NATIONAL_ID: "too long"}
    )

    error = await harness.refused(harness.rpc("Open")(request))

    failure = failure_of(error)
    assert (failure.code, failure.reason) == ("INVALID_ARGUMENT", "VALIDATION")
    assert set(failure.fields) == {
        ("request_id", "string.uuid4"),
        ("national_id", "string.national_id"),
        ("notes[1]", "string.max_len"),
        ("marks[]", "string.max_len"),
    }
    assert NATIONAL_ID not in str(error.trailing_metadata())


async def test_at_most_twenty_violations_are_reported(harness):
    """An error with a hundred would exceed the size limit of metadata."""
    error = await harness.refused(harness.rpc("Open")(harness.request(notes=["too long"] * 100)))

    assert len(failure_of(error).fields) == 20


async def test_a_handler_is_cancelled_at_the_deadline(harness, monkeypatch):
    """Without a deadline of the caller the server's default applies."""
    monkeypatch.setattr("chassis.rpc.pipeline.DEFAULT_SECONDS", 0.1)

    error = await harness.refused(deed(harness, 5.0))

    assert (error.code().name, failure_of(error).reason) == ("DEADLINE_EXCEEDED", "DEADLINE_EXCEEDED")


async def test_a_deadline_is_limited(harness, monkeypatch):
    """A deadline beyond the limit is reduced to it."""
    monkeypatch.setattr("chassis.rpc.pipeline.MAX_SECONDS", 0.1)

    harness.servicer.deeds["it"] = lambda _request: asyncio.sleep(5)
    error = await harness.refused(harness.rpc("Open")(harness.request(deed="it"), timeout=60))

    assert failure_of(error).reason == "DEADLINE_EXCEEDED"


async def test_a_timeout_of_a_library_is_internal(harness):
    """A TimeoutError from a handler before the deadline is an unknown exception."""
    error = await harness.refused(deed(harness, TimeoutError("elsewhere")))

    assert error.code().name == "INTERNAL"


async def test_a_message_over_the_limit_is_refused(harness):
    """A longer request than the setting allows is not parsed."""
    error = await harness.refused(harness.rpc("Open")(harness.request(deed="x" * 70_000)))

    assert error.code().name == "RESOURCE_EXHAUSTED"


async def test_an_interrupted_stream_has_its_reason(harness, refusal):
    """A refusal after the first messages is reported like any other."""

    async def refuse(_request):
        raise refusal["TrialGone"]("gone")

    harness.servicer.deeds["it"] = refuse
    stream = harness.rpc("Download")(harness.request(deed="it"), metadata=harness.bearer())

    assert failure_of(await harness.refused(stream)).reason == "TRIAL_GONE"


async def test_a_declared_class_without_a_reason_is_refused_at_start(harness):
    """An incomplete table is an error at the start, not at the first failure."""

    class Nameless(DomainError):
        code = "NOT_FOUND"

    with pytest.raises(TypeError, match=r"Nameless\.reason"):
        harness.make([(harness.trial.service, harness.servicer)], errors=frozenset({Nameless}))


async def test_an_undeclared_refusal_is_internal(harness, refusal):
    """So is a subclass of a declared one; no part of it is in the answer."""

    class Undeclared(refusal["TrialGone"]):
        reason = "TRIAL_UNDECLARED"

    failure = failure_of(await harness.refused(deed(harness, Undeclared("gone", "national_id"))))

    assert (failure.code, failure.reason, failure.metadata, failure.fields) == (
        "INTERNAL",
        "INTERNAL",
        {},
        (),
    )


async def test_the_reason_of_an_internal_error_is_not_in_the_answer(harness):
    """An error of the chassis with code INTERNAL is not a refusal."""
    failure = failure_of(await harness.refused(deed(harness, Unreadable("no proto-JSON"))))

    assert (failure.code, failure.reason) == ("INTERNAL", "INTERNAL")


def test_errors_are_imported_without_grpc():
    """Connectors import errors, telemetry and logs, and gRPC hangs beside eventlet."""
    import sys

    from testkit import processes

    program = (
        "import sys, chassis.errors, chassis.telemetry, chassis.log, chassis.settings;"
        "sys.exit(any(name in sys.modules for name in ('grpc', 'motor', 'pymongo')))"
    )

    assert importlib.util.find_spec("chassis") is not None
    processes.run([sys.executable, "-c", program])


async def test_a_pause_in_the_metadata_is_a_retry_info_too(harness):
    """Clients read it without knowing the reason; other errors have none."""
    refused = await harness.refused(deed(harness, RequestLimitReached(256, timedelta(hours=1, seconds=0.2))))
    other = await harness.refused(deed(harness, Contended()))

    assert (refused.code().name, failure_of(refused).reason) == (
        "RESOURCE_EXHAUSTED",
        "REQUEST_LIMIT_REACHED",
    )
    assert failure_of(refused).metadata == {"limit": "256", "retry_after_seconds": "3601"}
    assert [retry.retry_delay.seconds for retry in retries(refused)] == [3601]
    assert retries(other) == []


def retries(error):
    packed = dict(error.trailing_metadata())["grpc-status-details-bin"]
    details = status_pb2.Status.FromString(packed).details
    found = [error_details_pb2.RetryInfo() for _ in details]
    return [info for info, detail in zip(found, details, strict=True) if detail.Unpack(info)]
