"""Fields that people type are brought to one form before they are validated."""

from uuid import UUID

import pytest
from chassis.errors import Invalid
from chassis.input_forms import MAX_TYPED, normalise
from chassis.rpc.validation import parse
from diwan.identity.v1 import identity_pb2 as identity
from diwan.notary.v1 import notary_pb2 as notary
from diwan.notification.v1 import notification_pb2 as notification
from diwan.payments.v1 import payments_pb2 as payments
from diwan.registry.v1 import events_pb2 as registry
from hypothesis import given
from hypothesis import strategies as st

ID = "7f2c9a4e-1b3d-4c5f-8a6e-0d1c2b3a4f5e"
UNICODE = {"ARABIC": "٠١٢٣٤٥٦٧٨٩", "PERSIAN": "۰۱۲۳۴۵۶۷۸۹", "FULL WIDTH": "０１２３４５６７８９"}


def enrolment(**fields):
    right = {
        "request_id": ID,
        "first_name": "أحمد",
        "mother_first_name": "منى",
        "national_id": "29001010112345",
        "mobile": "+201001234567",
        "channel": "portal",
    }
    return identity.StartEnrolmentRequest(**right | fields)


def received(message):
    """The request as a handler receives it."""
    return parse(type(message), message.SerializeToString())


def violations(message):
    with pytest.raises(Invalid) as refused:
        received(message)
    return [(violation.field, violation.rule) for violation in refused.value.violations]


NATIONAL_IDS = [
    "29001010112345",
    "٢٩٠٠١٠١٠١١٢٣٤٥",
    "۲۹۰۰۱۰۱۰۱۱۲۳۴۵",
    "２９００１０１０１１２３４５",
    "2 900101 01 1234 5",
    "2-900101-01-1234-5",
    "2/900101/01/1234/5",
    "29OO1O1O112345",
    "29oo1o1o112345",
    "2900I0I01l2345",
    "2900lOlOiL2345",
    "\u200f29001010112345\u200e",
    "\u202b29001010112345\u202c",
    "\u206729001010112345\u2069",
    "\ufeff29001010112345\n",
    " 29001010112345\u00a0",
    "2900101\u201101\u201312345",
    "٢٩٠٠١٠١ـ٠١١٢٣٤٥",
    "٢9٠0١0١0١1٢3٤5",
]


@pytest.mark.parametrize("typed", NATIONAL_IDS)
def test_a_national_id_is_read_in_any_spelling(typed):
    """Digits of any keyboard, blanks, separators, direction marks, O and I and l."""
    assert received(enrolment(national_id=typed)).national_id == "29001010112345"


@pytest.mark.parametrize(
    "typed",
    [
        "01001234567",
        "٠١٠٠١٢٣٤٥٦٧",
        "۰۱۰۰۱۲۳۴۵۶۷",
        "010 0123 4567",
        "010-0123-4567",
        "(010) 0123.4567",
        "1001234567",
        "00201001234567",
        "0020 100 123 4567",
        "٠٠٢٠١٠٠١٢٣٤٥٦٧",
        "+201001234567",
        "+20 100 123 4567",
        "+20 010 0123 4567",
        "+20 (0)100 123 4567",
        "＋２０１００１２３４５６７",
        "201001234567",
        "201001234567+",
        "\u202a+201001234567\u202c",
        "\u200e+20\u00a0100\u202f123\u20094567\u200e",
        "O1OO1234567",
        "oIool234567",
    ],
)
def test_a_mobile_is_read_in_any_spelling(typed):
    """With 010, 10, 20, 0020 or +20."""
    assert received(enrolment(mobile=typed)).mobile == "+201001234567"


@pytest.mark.parametrize(
    "typed",
    [
        "+1001234567",
        "001001234567",
        "+01001234567",
        "+441001234567",
        "01301234567",
        "0100123456",
        "010012345678",
        "020 1001234567",
        "++201001234567",
        "+201001234567+",
        "+20100123456B",
        "0S001234567",
        "",
    ],
)
def test_a_number_that_may_be_another_one_is_refused(typed):
    """Numbers of other countries and networks, with too few or too many digits, and letters that are no digit."""
    assert violations(enrolment(mobile=typed)) == [("mobile", "string.mobile")]


@pytest.mark.parametrize(
    "typed",
    [
        "2900101011234",
        "290010101123456",
        "29001010l1234B",
        "2900101O11234S",
        "29٠٠١٠١٠١١٢٣٤x",
        "29013010112345",
    ],
)
def test_an_unclear_national_id_is_refused_by_field_and_rule(typed):
    """B is not read as 8, and S not as 5."""
    assert violations(enrolment(national_id=typed)) == [("national_id", "string.national_id")]


@pytest.mark.parametrize(
    "typed",
    ["120456", "١٢٠٤٥٦", "۱۲۰۴۵۶", "120 456", "120-456", "l2O456", "I2o456", "\u200f120456", " 120456 "],
)
def test_a_one_time_code_is_read_in_any_spelling(typed):
    """An SMS prints it in Arabic-Indic digits, and people copy it with blanks."""
    request = identity.CompleteSignInRequest(request_id=ID, sign_in_id=ID, code=typed)

    assert received(request).code == "120456"


@pytest.mark.parametrize(
    ("number", "code"),
    [
        ("PA-2026-7Q4M2K0D", "0123ABCDE1YZ"),
        ("pa-2026-7q4m2kod", "o123abcdeiyz"),
        ("PA20267Q4M2KOD", "O123-ABCD-ELYZ"),
        ("pa 2026 7q4m 2k0d", "0123 abcd e1yz"),
        ("PA\u20112026\u20117Q4M2K0D", "0123\u2013ABCD\u2013E1YZ"),
        ("PA/2O26/7Q4M2KoD", "Oi23.ABCD.ELYZ"),
        ("PA-٢٠٢٦-٧Q٤M٢K٠D", "٠١٢٣ABCDE١YZ"),
        ("\u200ePA-۲۰۲۶-۷Q۴M۲K۰D\u200e", "۰l۲۳abcde۱yz"),
        ("ＰＡ－２０２６－７Ｑ４Ｍ２Ｋ０Ｄ", "０１２３ＡＢＣＤＥ１ＹＺ"),
    ],
)
def test_number_and_code_of_a_document_are_read_in_any_spelling(number, code):
    """The alphabet of both has no I, L and O."""
    request = notary.VerifyPowerOfAttorneyRequest(number=number, verification_code=code)

    read = received(request)

    assert (read.number, read.verification_code) == ("PA-2026-7Q4M2K0D", "0123ABCDE1YZ")


@pytest.mark.parametrize(
    ("number", "code", "refused"),
    [
        ("PA-2026-7Q4M2KUD", "0123ABCDE1YZ", [("number", "string.document_number")]),
        ("2026-7Q4M2K0D", "0123ABCDE1YZ", [("number", "string.document_number")]),
        ("PA-2026-7Q4M2K0D0", "0123ABCDE1YZ", [("number", "string.document_number")]),
        ("PA-2B26-7Q4M2K0D", "0123ABCDE1YZ", [("number", "string.document_number")]),
        ("PA-2026-7Q4M2K0D", "0123ABCDE1YU", [("verification_code", "string.printed_code")]),
        ("PA-2026-7Q4M2K0D", "0123ABCDE1Y", [("verification_code", "string.printed_code")]),
    ],
)
def test_an_unclear_number_or_code_is_refused_by_field_and_rule(number, code, refused):
    """U is in no number and no code, and may be a V or a W."""
    assert violations(notary.VerifyPowerOfAttorneyRequest(number=number, verification_code=code)) == refused


@pytest.mark.parametrize(
    "typed", ["s-0o1l", "S-0O1L", "S\u20110O1L", " s-0O1l\u200f", "Ｓ－０Ｏ１Ｌ", "s-٠o١l"]
)
def test_a_staff_number_keeps_its_letters(typed):
    """Its O and 0 are different characters."""
    request = identity.StartSignInRequest(request_id=ID, staff_number=typed, channel="post_office")

    read = received(request)

    assert (read.staff_number, read.WhichOneof("subject")) == ("S-0O1L", "staff_number")


def test_every_staff_number_of_a_request_has_a_form():
    """An officer is registered, signs in and loses roles by the same number, in any spelling."""
    requests = {
        kind: getattr(identity, kind)(staff_number=" s-0o1 ")
        for kind, message in identity.DESCRIPTOR.message_types_by_name.items()
        if kind.endswith("Request") and "staff_number" in message.fields_by_name
    }
    for request in requests.values():
        normalise(request)

    assert {kind: request.staff_number for kind, request in requests.items()} == dict.fromkeys(
        ("StartSignInRequest", "RegisterOfficerRequest", "EndRolesRequest"), "S-0O1"
    )


UUID_FIELDS = [
    (notary.GetPowerOfAttorneyRequest(), "power_of_attorney_id"),
    (payments.GetPaymentRequest(), "payment_id"),
    (payments.GetPaymentRequest(), "subject_id"),
    (payments.ListLedgerEntriesRequest(), "payment_id"),
    (notification.ListMessagesRequest(), "account_id"),
    (notification.GetMessageRequest(), "message_id"),
    (enrolment(), "request_id"),
    (registry.PersonRegistered(record="sealed"), "person_id"),
]


@pytest.mark.parametrize(("message", "field"), UUID_FIELDS)
@pytest.mark.parametrize("typed", [ID.upper(), ID.title(), ID])
def test_an_id_is_read_in_upper_case(message, field, typed):
    """Ids of requests, of resources, of filters, and of an integrator's event."""
    request = type(message).FromString(message.SerializeToString())
    setattr(request, field, typed)

    assert getattr(received(request), field) == ID


@pytest.mark.parametrize(("message", "field"), UUID_FIELDS)
@pytest.mark.parametrize(
    "typed", ["{" + ID + "}", f"urn:uuid:{ID}", UUID(ID).hex, ID[:-1], ID.replace("a", "g")]
)
def test_another_form_of_an_id_is_refused_by_field(message, field, typed):
    """Braces, `urn:uuid:`, no hyphens, too short, no hexadecimal digits."""
    request = type(message).FromString(message.SerializeToString())
    setattr(request, field, typed)

    assert [name for name, _ in violations(request)] == [field]


def test_every_id_that_a_request_refers_to_has_a_form():
    """A new field for an id without a rule would be compared as it is typed."""
    for file in (identity, notary, payments, notification):
        for name, message in file.DESCRIPTOR.message_types_by_name.items():
            if not name.endswith("Request"):
                continue
            for field in message.fields:
                if field.name.endswith("_id") and field.name not in {"office_id", "parked_id"}:
                    request = getattr(file, name)(
                        **{field.name: "29001010112345" if "national" in field.name else ID.upper()}
                    )
                    normalise(request)
                    assert getattr(request, field.name) in {"29001010112345", ID}, f"{name}.{field.name}"
                    setattr(request, field.name, "not an id")
                    assert field.name in [path for path, _ in violations(request)], f"{name}.{field.name}"


def test_two_spellings_are_one_request():
    """The content that is hashed for the recognition of a repeated request is the same."""
    typed = enrolment(request_id=ID.upper(), national_id="٢٩٠٠١٠١٠١١٢٣٤٥", mobile="010 0123 4567")

    assert received(typed).SerializeToString(deterministic=True) == enrolment().SerializeToString(
        deterministic=True
    )


def test_names_and_free_texts_remain_as_they_are():
    """Only fields of a known kind are rewritten."""
    request = enrolment(first_name=" أَحمـد\u200f ٥ O", mother_first_name="ﷴ")

    read = received(request)

    assert (read.first_name, read.mother_first_name) == (" أَحمـد\u200f ٥ O", "ﷴ")


@pytest.mark.parametrize("typed", ["29001010112345" + " " * MAX_TYPED, "0" * 3_000_000])
def test_a_long_text_is_refused_without_being_rewritten(typed):
    """Rewriting takes time per character."""
    assert violations(enrolment(national_id=typed)) == [("national_id", "string.national_id")]


@given(st.text(max_size=40), st.text(max_size=40), st.text(max_size=40), st.text(max_size=40))
def test_rewriting_twice_changes_nothing(national_id, mobile, number, staff):
    """A rewritten text has its form, or none."""
    requests = (
        enrolment(national_id=national_id, mobile=mobile),
        notary.VerifyPowerOfAttorneyRequest(number=number, verification_code=number),
        identity.StartSignInRequest(staff_number=staff),
    )
    for request in requests:
        normalise(request)
        once = request.SerializeToString()
        normalise(request)
        assert request.SerializeToString() == once


@given(st.from_regex(r"\A[23][0-9]{13}\Z", alphabet="0123456789"), st.data())
def test_no_two_ids_become_one(digits, data):
    """Digits keep their value in any script."""
    script = data.draw(st.sampled_from(list(UNICODE.values())))
    request = identity.GetAccountRequest(national_id="".join(script[int(digit)] for digit in digits))

    normalise(request)

    assert request.national_id == digits
