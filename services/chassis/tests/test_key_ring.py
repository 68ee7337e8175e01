"""Sealed fields can be opened only by their reader and in their event."""

import json
from pathlib import Path

import pytest
from chassis.key_ring import ALGORITHM, ENCRYPTION, Binding, KeyRing, OpenError, SealError
from chassis.settings import WrongSetting
from diwan.identity.v1 import events_pb2
from hypothesis import given
from hypothesis import strategies as st
from joserfc import jwe
from joserfc.jwk import ECKey
from testkit.keys import make_keys

EVENT = Binding("event", "diwan.identity.v1.SendMessage", "diwan/identity")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("keys")
    make_keys(folder, ["identity", "notification", "notary"])
    return folder


def keys(folder: Path, service: str) -> KeyRing:
    return KeyRing(service, folder / service)


@given(text=st.text(max_size=200))
def test_the_reader_opens_a_sealed_text(folder: Path, text: str) -> None:
    """It equals the plain text."""
    token = keys(folder, "identity").seal(text, "notification", EVENT)

    assert keys(folder, "notification").open(token, EVENT) == text


def test_others_cannot_open_a_sealed_text(folder: Path) -> None:
    """Neither the sender nor a third service can."""
    token = keys(folder, "identity").seal("secret", "notification", EVENT)

    for other in ("identity", "notary"):
        with pytest.raises(OpenError):
            keys(folder, other).open(token, EVENT)


@pytest.mark.parametrize(
    "other",
    [
        Binding("other", EVENT.type, EVENT.source),
        Binding(EVENT.id, "diwan.identity.v1.Other", EVENT.source),
        Binding(EVENT.id, EVENT.type, "diwan/notary"),
    ],
)
def test_a_sealed_text_is_bound_to_its_event(folder: Path, other: Binding) -> None:
    """A field that was copied into an event of another id, type or source is refused."""
    token = keys(folder, "identity").seal("secret", "notification", EVENT)

    with pytest.raises(OpenError, match="another event"):
        keys(folder, "notification").open(token, other)


def test_a_changed_token_is_refused(folder: Path) -> None:
    """One character is changed in the header, the middle or the text."""
    token = keys(folder, "identity").seal("secret", "notification", EVENT)

    for place in (5, len(token) // 2, len(token) - 5):
        changed = token[:place] + ("A" if token[place] != "A" else "B") + token[place + 1 :]
        with pytest.raises(OpenError):
            keys(folder, "notification").open(changed, EVENT)


@pytest.mark.parametrize("text", ["", "secret", "a.b.c.d.e", "eyJhbGciOiJub25lIn0...."])
def test_an_invalid_token_is_refused(folder: Path, text: str) -> None:
    """The error does not contain the text."""
    with pytest.raises(OpenError) as error:
        keys(folder, "notification").open(text, EVENT)

    assert not text or text not in str(error.value)


def test_other_algorithms_are_refused(folder: Path) -> None:
    """A token with a weaker algorithm is refused, even with the right key."""
    public = ECKey.import_key(json.loads((folder / "identity/public/seal/notification.jwk").read_text()))
    header = {
        "alg": "ECDH-ES+A128KW",
        "enc": ENCRYPTION,
        "id": EVENT.id,
        "type": EVENT.type,
        "source": EVENT.source,
    }
    registry = jwe.JWERegistry(algorithms=["ECDH-ES+A128KW", ENCRYPTION], strict_check_header=False)
    token = jwe.encrypt_compact(header, "secret", public, registry=registry)

    with pytest.raises(OpenError):
        keys(folder, "notification").open(token, EVENT)


def test_an_integrator_needs_no_key_id(folder: Path) -> None:
    """Any JOSE library can seal with the reader's public key, without `kid`."""
    public = ECKey.import_key(json.loads((folder / "identity/public/seal/notification.jwk").read_text()))
    header = {"alg": ALGORITHM, "enc": ENCRYPTION, "id": EVENT.id, "type": EVENT.type, "source": EVENT.source}
    registry = jwe.JWERegistry(algorithms=[ALGORITHM, ENCRYPTION], strict_check_header=False)

    token = jwe.encrypt_compact(header, "secret", public, registry=registry)

    assert keys(folder, "notification").open(token, EVENT) == "secret"


def test_an_old_key_still_opens_sealed_texts(folder: Path) -> None:
    """Both keys are valid while a key is replaced."""
    token = keys(folder, "identity").seal("secret", "notary", EVENT)
    own = folder / "notary"
    (own / "seal.jwk").rename(own / "seal-2024.jwk")
    (own / "seal.jwk").write_text(json.dumps(ECKey.generate_key("P-256").as_dict(private=True)))

    assert keys(folder, "notary").open(token, EVENT) == "secret"


def test_an_unknown_reader_is_an_error(folder: Path) -> None:
    """The error names the reader."""
    with pytest.raises(SealError, match="nobody"):
        keys(folder, "identity").seal("secret", "nobody", EVENT)


def test_fields_are_sealed_and_opened_by_their_option(folder: Path) -> None:
    """Fields with a reader are sealed in place, except empty ones; only the reader opens them."""
    message = events_pb2.SendMessage(template="code", content="123456")

    keys(folder, "identity").seal_fields(message, EVENT)
    assert message.template == "code"
    assert "123456" not in message.content
    keys(folder, "identity").open_fields(message, EVENT)
    assert "123456" not in message.content
    keys(folder, "notification").open_fields(message, EVENT)

    assert message == events_pb2.SendMessage(template="code", content="123456")


@given(value=st.text(), purpose=st.text(min_size=1), other=st.text(min_size=1))
def test_a_keyed_hash_depends_on_value_purpose_and_key(
    folder: Path, value: str, purpose: str, other: str
) -> None:
    """A value has the same hash only for the same purpose of the same service."""
    ours, theirs = keys(folder, "identity"), keys(folder, "notification")

    assert ours.keyed_hash(value, purpose) == ours.keyed_hash(value.encode(), purpose)
    assert ours.keyed_hash(value, purpose) != theirs.keyed_hash(value, purpose)
    assert (ours.keyed_hash(value, purpose) == ours.keyed_hash(value, other)) == (purpose == other)


def test_purpose_and_value_are_separated(folder: Path) -> None:
    """The value `ab` for `c` has another hash than `b` for `ca`."""
    ours = keys(folder, "identity")

    assert ours.keyed_hash("ab", "c") != ours.keyed_hash("b", "ca")


def test_a_short_hash_key_is_refused(tmp_path: Path) -> None:
    """The minimum is 32 bytes."""
    make_keys(tmp_path, ["identity"])
    (tmp_path / "identity" / "hash.key").write_text("00" * 31)

    with pytest.raises(WrongSetting, match=r"hash\.key has 31 bytes"):
        KeyRing("identity", tmp_path / "identity")
