"""Reading of the acquirer's JSON."""

import zlib

import pytest
from payments.connectors.acquirer.reading import NotJson, read_json

TEXT = '{"id": "é"}'


@pytest.mark.parametrize(
    ("body", "charset"), [(TEXT.encode(), "unknown"), (TEXT.encode("cp1252"), "windows-1252")]
)
def test_a_text_is_read_in_its_charset(body: bytes, charset: str) -> None:
    """UTF-8 needs none."""
    assert read_json(body, f"application/json; charset={charset}") == {"id": "é"}


@pytest.mark.parametrize("charset", ["zlib", "hex", "rot13", "unknown", "ascii", ""])
def test_a_charset_of_no_text_is_refused(charset: str) -> None:
    """A compressed body could have any size."""
    with pytest.raises(NotJson):
        read_json(zlib.compress(b"{}"), f"application/json; charset={charset}")
