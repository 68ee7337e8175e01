"""Reading of delivery receipts, and the statuses that are retried."""

import pytest
import smpp34
from diwan.notification.v1 import sms_pb2
from notification.connectors.sms import status
from notification.connectors.sms.receipts import (
    TLV_MESSAGE_PAYLOAD,
    TLV_MESSAGE_STATE,
    TLV_RECEIPTED_MESSAGE_ID,
    Dialect,
    IdForm,
    Receipt,
    Unreadable,
    parse_receipt,
    read_part_id,
)
from notification.connectors.sms.receiver import unreadable_event
from notification.connectors.sms.settings import Settings
from pydantic import ValidationError

DELIVERED = sms_pb2.SMS_RECEIPT_STATE_DELIVERED
UNDELIVERED = sms_pb2.SMS_RECEIPT_STATE_UNDELIVERED
EXPIRED = sms_pb2.SMS_RECEIPT_STATE_EXPIRED
EXACT: IdForm = "exact"
ANY_CASE: IdForm = "any-case"
DECIMAL: IdForm = "decimal"
HEXADECIMAL: IdForm = "hexadecimal"


def parse(
    text: str | bytes = "",
    *tlvs: smpp34.Tlv,
    dialect: Dialect | None = None,
    source: str = "201012345678",
    **fields: int,
) -> Receipt | None:
    """Parse a receipt with this text and these TLVs."""
    data = text.encode("latin-1") if isinstance(text, str) else text
    pdu = smpp34.DeliverSm(source, "DIWAN", data, tlvs=list(tlvs), **{"esm_class": 4, **fields})
    decoded = smpp34.decode(pdu.encode())
    assert isinstance(decoded, smpp34.DeliverSm)
    return parse_receipt(decoded, dialect or Dialect())


def id_tlv(value: str) -> smpp34.Tlv:
    return smpp34.Tlv(TLV_RECEIPTED_MESSAGE_ID, value.encode() + b"\0")


def state_tlv(state: int) -> smpp34.Tlv:
    return smpp34.Tlv(TLV_MESSAGE_STATE, bytes([state]))


def test_throttling_is_temporary_and_a_bad_number_is_not() -> None:
    """Only a temporary refusal is retried."""
    assert status.is_temporary(0x58)
    assert status.is_temporary(0x14)
    assert not status.is_temporary(0x0B)
    assert not status.is_temporary(0x45)


def test_receipt_without_optional_parameters_is_parsed() -> None:
    """Its text has the format of SMPP 3.4's appendix B, with times in the operator's time zone."""
    words = "id:abc sub:001 dlvrd:001 submit date:2611221200 done date:2611221205 stat:EXPIRED err:000 text:"

    parsed = parse(words, dialect=Dialect(utc_offset_hours=2))

    assert parsed == Receipt("abc", EXPIRED, "2026-11-22T10:05:00Z", "+201012345678")


@pytest.mark.parametrize(
    ("text", "part_id", "state"),
    [
        ("id:abc stat:DELIVRD", "abc", DELIVERED),
        ("ID:abc STAT:delivrd", "abc", DELIVERED),
        ("Id : abc  Stat : Delivered", "abc", DELIVERED),
        ("id:abc\r\nstat:UNDELIV\r\n", "abc", UNDELIVERED),
        ("sub:001 dlvrd:000 stat:Rejected id:abc", "abc", UNDELIVERED),
        ("id:abc stat:FAILED err:12", "abc", UNDELIVERED),
        ("id:abc stat:DELETED", "abc", UNDELIVERED),
        ("id:abc stat:UNKNOWN", "abc", UNDELIVERED),
        ("id:abc stat:undeliverable", "abc", UNDELIVERED),
        ("id:abc stat:DELIVRD text:id:xyz stat:REJECTD", "abc", DELIVERED),
        ("id:abc stat:DELIVRD Text : ID:xyz", "abc", DELIVERED),
        ("id:abc stat:DELIVRD err:0 id:xyz", "abc", DELIVERED),
        ("smid:xyz msg-id:xyz id:abc stat:DELIVRD", "abc", DELIVERED),
        ("id:1101C1-C9D03D-F000 stat:DELIVRD", "1101C1-C9D03D-F000", DELIVERED),
    ],
)
def test_texts_of_operators_are_read(text: str, part_id: str, state: int) -> None:
    """Case and blanks vary; the free text after `text:` is not read; the first field of a name counts."""
    parsed = parse(text)

    assert parsed is not None
    assert (parsed.part_id, parsed.state) == (part_id, state)


@pytest.mark.parametrize("state", [DELIVERED, UNDELIVERED])
def test_text_in_message_payload_is_read(state: int) -> None:
    """Some operators leave `short_message` empty."""
    word = b"DELIVRD" if state == DELIVERED else b"UNDELIV"

    parsed = parse("", smpp34.Tlv(TLV_MESSAGE_PAYLOAD, b"id:abc stat:" + word))

    assert parsed is not None
    assert (parsed.part_id, parsed.state) == ("abc", state)


def test_text_in_ucs2_is_read() -> None:
    """The data coding states it."""
    parsed = parse("id:abc stat:DELIVRD".encode("utf-16-be"), data_coding=8)

    assert parsed is not None
    assert (parsed.part_id, parsed.state) == ("abc", DELIVERED)


@pytest.mark.parametrize("text", ["", "Your message (id:77) was handled", "id:77 stat:REJECTD"])
def test_optional_parameters_precede_the_text(text: str) -> None:
    """The text may state another id and another state."""
    parsed = parse(text, id_tlv("abc"), state_tlv(2))

    assert parsed is not None
    assert (parsed.part_id, parsed.state) == ("abc", DELIVERED)


def test_optional_parameters_alone_make_a_receipt() -> None:
    """Some operators do not set the type in `esm_class`."""
    assert parse("", id_tlv("abc"), state_tlv(3), esm_class=0) is not None


@pytest.mark.parametrize(("text", "tlv"), [("stat:DELIVRD", id_tlv("abc")), ("id:abc", state_tlv(2))])
def test_one_optional_parameter_makes_a_receipt(text: str, tlv: smpp34.Tlv) -> None:
    """The other half is in the text."""
    parsed = parse(text, tlv, esm_class=0)

    assert parsed is not None
    assert (parsed.part_id, parsed.state) == ("abc", DELIVERED)


def test_half_a_receipt_without_its_type_is_unreadable() -> None:
    """It is kept for an operator, not acknowledged away as a person's SMS."""
    with pytest.raises(Unreadable):
        parse("", id_tlv("abc"), esm_class=0)
    assert parse("", id_tlv("abc"), esm_class=0x20) is None


def test_id_of_the_text_is_read_if_only_it_has_the_form() -> None:
    """The optional parameter of this operator has another id."""
    parsed = parse(
        "id:0042 stat:DELIVRD", id_tlv("x-17"), dialect=Dialect(answer_id=DECIMAL, receipt_id=DECIMAL)
    )

    assert parsed is not None
    assert parsed.part_id == "42"


@pytest.mark.parametrize(
    ("text", "tlvs"),
    [
        ("id:abc stat:ACCEPTD", []),
        ("id:abc stat:enroute", []),
        ("id:abc", [state_tlv(1)]),
        ("", [id_tlv("abc"), state_tlv(6)]),
    ],
)
def test_intermediate_state_is_not_a_receipt(text: str, tlvs: list[smpp34.Tlv]) -> None:
    """ENROUTE and ACCEPTD are not final."""
    assert parse(text, *tlvs) is None


def test_a_repeated_unreadable_receipt_is_the_same_event() -> None:
    """Its sequence number differs; another id or content would be parked once more."""
    first, second, other = (
        unreadable_event(
            smpp34.DeliverSm("20", "DIWAN", text, esm_class=4, sequence_number=number).encode(), "ID_MISSING"
        )
        for number, text in ((7, b"stat:DELIVRD"), (8, b"stat:DELIVRD"), (8, b"stat:EXPIRED"))
    )

    assert (first.id, first.subject, first.message) == (second.id, second.subject, second.message)
    assert first.id != other.id


def test_message_of_a_person_is_not_a_receipt() -> None:
    """A person can write the text of a receipt."""
    assert parse("id:abc stat:DELIVRD", esm_class=0) is None


@pytest.mark.parametrize(
    ("text", "tlvs", "reason"),
    [
        ("", [], "STATE_MISSING"),
        ("stat:DELIVRD", [], "ID_MISSING"),
        ("id: stat:DELIVRD", [], "ID_MISSING"),
        ("id:abc", [], "STATE_MISSING"),
        ("id:abc stat:PERHAPS", [], "STATE_UNKNOWN"),
        ("id:abc stat:DELIVRD", [state_tlv(99)], "STATE_UNKNOWN"),
        ("text:id:abc stat:DELIVRD", [], "STATE_MISSING"),
        ("id:" + "9" * 66 + " stat:DELIVRD", [], "ID_MALFORMED"),
    ],
)
def test_unreadable_receipt_states_its_reason(text: str, tlvs: list[smpp34.Tlv], reason: str) -> None:
    """Nothing is guessed."""
    with pytest.raises(Unreadable, match=f"^{reason}$"):
        parse(text, *tlvs)


@pytest.mark.parametrize(
    ("answer", "answer_form", "receipt", "receipt_form"),
    [
        ("39f99dd5", HEXADECIMAL, "0972660181", DECIMAL),
        ("972660181", DECIMAL, "39F99DD5", HEXADECIMAL),
        ("00B8BE19", HEXADECIMAL, "B8BE19", HEXADECIMAL),
        ("0x00B8BE19", HEXADECIMAL, "b8be19", HEXADECIMAL),
        ("812FC7470000001B", HEXADECIMAL, "9308878062554710043", DECIMAL),
        ("42", DECIMAL, "0000000042", DECIMAL),
        ("1101c1-c9d03d-f000", ANY_CASE, "1101C1-C9D03D-F000", ANY_CASE),
        ("abc", EXACT, " abc\0", EXACT),
    ],
)
def test_ids_in_several_forms_are_one_id(
    answer: str, answer_form: IdForm, receipt: str, receipt_form: IdForm
) -> None:
    """The ids are from public reports of operators."""
    assert read_part_id(answer, answer_form) == read_part_id(receipt, receipt_form)


@pytest.mark.parametrize(
    ("text", "form"),
    [
        ("", EXACT),
        (" ", EXACT),
        ("x" * 66, EXACT),
        ("12a", DECIMAL),
        ("-1", DECIMAL),
        ("١٢", DECIMAL),
        ("1_0", DECIMAL),
        ("xyz", HEXADECIMAL),
    ],
)
def test_id_of_another_form_is_refused(text: str, form: IdForm) -> None:
    """Also what Python itself would read as a number."""
    with pytest.raises(ValueError, match="message id"):
        read_part_id(text, form)


def test_exact_ids_differ_by_case() -> None:
    """Ids with both cases are in use."""
    assert read_part_id("aB", EXACT) != read_part_id("Ab", EXACT)


@pytest.mark.parametrize(
    ("source", "mobile"),
    [
        ("201012345678", "+201012345678"),
        ("+201012345678", "+201012345678"),
        ("00201012345678", "+201012345678"),
        ("01012345678", ""),
        ("DIWAN", ""),
        ("", ""),
    ],
)
def test_phone_of_a_receipt_is_international_or_empty(source: str, mobile: str) -> None:
    """A national number is not completed by a guess."""
    parsed = parse("id:abc stat:DELIVRD", source=source)

    assert parsed is not None
    assert parsed.mobile == mobile


@pytest.mark.parametrize(
    ("answer", "receipt", "valid"),
    [
        ("decimal", "hexadecimal", True),
        ("exact", "exact", True),
        ("any-case", "any-case", True),
        ("exact", "any-case", False),
        ("exact", "decimal", False),
        ("hexadecimal", "exact", False),
    ],
)
def test_forms_of_ids_must_be_comparable(answer: str, receipt: str, valid: bool, tmp_path: object) -> None:
    """A setting under which no receipt finds its part is refused at start."""
    values = {
        "broker_uri": "amqp://localhost",
        "keys_dir": tmp_path,
        "smsc_host": "localhost",
        "smsc_system_id": "diwan",
        "smsc_password": "secret",
        "smsc_answer_id": answer,
        "smsc_receipt_id": receipt,
    }
    if valid:
        Settings(**values)
    else:
        with pytest.raises(ValidationError, match="SMS_SMSC_RECEIPT_ID"):
            Settings(**values)
