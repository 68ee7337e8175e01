"""Messages as proto-JSON."""

import pytest
from chassis.protojson import Unreadable, dumps, loads
from diwan.identity.v1 import events_pb2
from hypothesis import given
from hypothesis import strategies as st

texts = st.text(st.characters(exclude_categories=["Cs"]))


@given(texts, st.dictionaries(texts, texts, max_size=3))
def test_a_message_survives_a_round_trip(mobile: str, values: dict[str, str]) -> None:
    """As text and as bytes, with any characters."""
    message = events_pb2.MessageContent(mobile=mobile, values=values)

    text = dumps(message)

    assert loads(text, events_pb2.MessageContent) == message
    assert loads(text.encode(), events_pb2.MessageContent) == message


def test_a_message_is_one_line_with_unescaped_letters() -> None:
    """This is the form in bodies and in fields."""
    message = events_pb2.MessageContent(values={"office": "مكتب\nالدقي"})

    assert dumps(message) == '{"values": {"office": "مكتب\\nالدقي"}}'


def test_unknown_fields_are_ignored() -> None:
    """Additive changes keep the version."""
    assert loads('{"mobile": "m", "later": [1]}', events_pb2.Contact) == events_pb2.Contact(mobile="m")


@pytest.mark.parametrize(
    "wrong",
    ["", "+201012345678", '{"mobile": {"national_id": "29001010100001"}}', b"\xff29001010100001", "[" * 5000],
    ids=["empty", "no object", "another form", "no UTF-8", "too deep"],
)
def test_an_error_does_not_quote_the_text(wrong: str | bytes) -> None:
    """Neither does its cause."""
    with pytest.raises(Unreadable) as raised:
        loads(wrong, events_pb2.Contact)

    assert str(raised.value) == "no proto-JSON of diwan.identity.v1.Contact"
    assert raised.value.__cause__ is None
    assert raised.value.__suppress_context__
    assert raised.value.reason == "CONTENT_INVALID"
