"""Logs and masks: no line contains a national ID, a mobile or a name."""

import contextlib
import dataclasses
import json
import logging
import string
from io import StringIO

import pytest
from chassis import log, telemetry
from chassis.masks import mask_text, masked
from chassis.store import StoreUnavailable
from diwan.identity.v1 import events_pb2, identity_pb2
from hypothesis import given
from hypothesis import strategies as st

NATIONAL_ID = "29901011234567"
MOBILE = "+201012345678"
ARABIC = str.maketrans(string.digits, "٠١٢٣٤٥٦٧٨٩")
PERSIAN = str.maketrans(string.digits, "۰۱۲۳۴۵۶۷۸۹")


@pytest.fixture
def stream():
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    stream = StringIO()
    log.setup("trial", "DEBUG", stream)
    yield stream
    root.handlers, _ = handlers, root.setLevel(level)


def last(stream):
    return json.loads(stream.getvalue().splitlines()[-1])


def test_lines_have_the_resource_attributes(monkeypatch):
    """They have service, version and pod, as traces have, and no others."""
    monkeypatch.setenv(
        "OTEL_RESOURCE_ATTRIBUTES", "service.version=2.0,k8s.pod.name=diwan-trial-api-x,cloud.region=a"
    )
    root = logging.getLogger()
    handlers, level, stream = root.handlers, root.level, StringIO()
    log.setup("trial", "INFO", stream)

    log.get("t").info("hello")

    root.handlers, _ = handlers, root.setLevel(level)
    line = last(stream)
    assert {key: line[key] for key in line if "." in key} == {
        "service.name": "trial",
        "service.namespace": "diwan",
        "service.version": "2.0",
        "k8s.pod.name": "diwan-trial-api-x",
    }


FORMS = [
    NATIONAL_ID,
    "2990101 1234567",
    "299-0101-1234567",
    MOBILE,
    "00201012345678",
    "201012345678",
    "01012345678",
    "010 1234 5678",
    "+20 10-1234-5678",
]


@pytest.mark.parametrize("digits", [None, ARABIC, PERSIAN])
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    "around", ["{}", "id={}.", "الرقم {}، شكرا", "x{}x", '{{"a":"{}"}}', "/p/{}/q", "{}\n"]
)
def test_numbers_are_masked_in_any_text(form, digits, around):
    """The digits are Western, Arabic-Indic or Persian, with or without separators."""
    text = form.translate(digits) if digits else form

    assert mask_text(around.format(text)) == around.format("***")


@pytest.mark.parametrize(
    "text",
    [
        "550e8400-e29b-41d4-8123-012345678901",
        "4bf92f3577b34da6a3ce929d0e0e4736",
        "2026-03-01T12:00:00Z took 1234567 microseconds",
        "port 50051",
        "123456789012345",
        "127.0.0.1:5672",
        "",
    ],
)
def test_other_numbers_are_not_masked(text):
    """Opaque ids, trace ids, times and figures stay readable."""
    assert mask_text(text) == text


@given(st.from_regex(r"[23][0-9]{13}", fullmatch=True), st.text(st.characters(exclude_categories=("Nd",))))
def test_a_national_id_is_masked_in_any_context(national_id, around):
    """Any text may surround it."""
    assert national_id not in mask_text(around[: len(around) // 2] + national_id + around[len(around) // 2 :])


@pytest.mark.parametrize(
    "text",
    [
        "first_name='محمد'",
        'mother_first_name: "فاطمة"',
        "full_name=محمد",
        '{"national_id": "x"}'.replace("x", "محمد"),
        "authorization: Bearer محمد",
        "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJhIn0.c2lnbmF0dXJl",
        "code=123456",
    ],
)
def test_a_value_after_a_personal_key_is_masked_in_text(text):
    """Texts of exceptions may contain the repr of objects and messages."""
    masked_text = mask_text(text)

    assert "***" in masked_text
    assert not any(secret in masked_text for secret in ("محمد", "فاطمة", "eyJ", "123456"))


def test_a_personal_key_is_masked_at_any_depth(stream):
    """In mappings and in dataclasses, with values of any type."""

    @dataclasses.dataclass
    class Person:
        person_id: str
        first_name: str

    log.get("t").info(
        "seen", mobile=7, deep={"list": [{"national_id": "x", "n": 1}]}, who=Person("p-1", "محمد")
    )

    line = last(stream)
    assert line["mobile"] == "***"
    assert line["deep"] == {"list": [{"national_id": "***", "n": 1}]}
    assert line["who"] == {"person_id": "p-1", "first_name": "***"}


def test_personal_and_sealed_fields_of_a_message_are_masked():
    """The options of the protos decide."""
    request = identity_pb2.StartEnrolmentRequest(
        request_id="r-1",
        first_name="محمد",
        mother_first_name="فاطمة",
        national_id=NATIONAL_ID,
        channel="portal",
    )
    event = events_pb2.AccountEnrolled(account_id="a-1", contact="sealed", assurance_level=2)
    content = events_pb2.MessageContent(mobile=MOBILE, values={"code": "123456"})

    assert masked(request) == {
        "request_id": "r-1",
        "first_name": "***",
        "mother_first_name": "***",
        "national_id": "***",
        "channel": "portal",
    }
    assert masked(event) == {"account_id": "a-1", "contact": "***", "assurance_level": "ASSURANCE_LEVEL_HIGH"}
    assert masked(content) == {"mobile": "***", "values": "***"}


def test_a_map_of_tokens_is_masked_in_every_form(stream):
    """As a field of its message, under its name elsewhere, and in text by the form of a JWT."""
    jwt = "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJhIn0.c2lnbmF0dXJl"
    opaque = identity_pb2.TokenPair(access_tokens={"notary": "opaque-1", "payments": "opaque-2"})
    pair = identity_pb2.TokenPair(access_tokens={"notary": jwt, "payments": jwt}, refresh_token="s.1.mac")

    log.get("t").info(
        f"signed in: {pair}", pair=opaque, access_tokens=dict(opaque.access_tokens), pairs=[pair]
    )

    line = last(stream)
    assert line["pair"] == {"access_tokens": "***"}
    assert line["access_tokens"] == "***"
    assert not any(token in stream.getvalue() for token in ("opaque-", "eyJ", "s.1.mac"))


def test_a_line_of_a_library_is_masked(stream):
    """Text, arguments and traceback of the standard logging module are."""
    logger = logging.getLogger("some.library")
    try:
        raise ValueError(f"bad value {NATIONAL_ID}")  # noqa: TRY301 -- as a library does
    except ValueError:
        logger.exception("could not take %s for %s", MOBILE, {"k": NATIONAL_ID})

    line = last(stream)
    assert line["event"] == "could not take *** for {'k': '***'}"
    assert line["exception"].startswith("ValueError\n")
    assert __file__ in line["exception"]
    assert NATIONAL_ID not in stream.getvalue()
    assert "bad value" not in stream.getvalue()


def test_the_chain_of_an_exception_is_logged_without_texts(stream):
    """Each exception of the chain is logged with its class and frames."""
    try:
        try:
            {}["فاطمة حسنين"]
        except KeyError as error:
            raise ExceptionGroup("Fatma Hassanein", [RuntimeError(MOBILE)]) from error
    except ExceptionGroup:
        log.get("t").exception("failed")

    trace = last(stream)["exception"]
    assert [line for line in trace.splitlines() if not line.startswith(" ")] == [
        "ExceptionGroup",
        "RuntimeError",
        "KeyError",
    ]
    assert "test_the_chain_of_an_exception_is_logged_without_texts" in trace
    assert not any(each in stream.getvalue() for each in ("فاطمة", "Fatma", MOBILE))


def test_the_text_of_a_chassis_error_is_logged(stream):
    """It contains no values."""
    log.get("t").error("failed", exc_info=StoreUnavailable())

    assert last(stream)["exception"] == ("chassis.store.errors.StoreUnavailable: the store does not answer")


def test_a_line_with_exc_info_outside_an_exception_is_logged(stream):
    """The mistake does not lose the line."""
    log.get("t").error("failed", exc_info=True)

    assert last(stream)["event"] == "failed"


def test_a_correlation_ends_with_its_block(stream):
    """The earlier one is restored, also after an exception."""
    with contextlib.suppress(LookupError), log.correlated("R-2026-1"):
        log.get("t").info("within")
        raise LookupError
    within = last(stream)
    log.get("t").info("after")

    assert within["request_number"] == "R-2026-1"
    assert "request_number" not in last(stream)


def test_a_line_has_service_span_and_request_number(stream):
    """The line leads to its trace and to the other lines of the journey."""
    with log.correlated("R-2026-1"), telemetry.span("work") as span:
        log.get("a.b").info("done", n=1)

    line = last(stream)
    assert (line["service.name"], line["request_number"], line["logger"]) == ("trial", "R-2026-1", "a.b")
    assert line["trace_id"] == f"{span.get_span_context().trace_id:032x}"
    assert line["span_id"] == f"{span.get_span_context().span_id:016x}"
    assert (line["level"], line["n"]) == ("info", 1)


@given(
    st.recursive(
        st.none() | st.integers() | st.text() | st.binary(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    )
)
def test_anything_can_be_logged(value):
    """Masking never fails, and its result is JSON."""
    json.dumps(masked(value))
