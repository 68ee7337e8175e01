"""A service's own keys: fields sealed for one reader (JWE), and keyed hashes for look-up by a personal datum.

A sealed field is a compact JWE (RFC 7516), `ECDH-ES+A256KW` on P-256 with `A256GCM`. Its protected header
carries, beside `alg`, `enc` and the reader's `kid`, the `id`, `type` and `source` of the event it belongs to,
so that it opens in no other event. Whoever publishes for a reader needs only that reader's public key; `kid`
may then be left out.

Imports neither gRPC nor the store: connectors use it too.
"""

import hashlib
import hmac
import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from diwan.options.v1 import options_pb2
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message
from joserfc import jwe
from joserfc.errors import JoseError
from joserfc.jwk import ECKey

from chassis.errors import ChassisError

ALGORITHM = "ECDH-ES+A256KW"
ENCRYPTION = "A256GCM"
HASH_KEY_BYTES_MIN = 32

# The header names what it is bound to, which the standard's registry does not know.
_REGISTRY = jwe.JWERegistry(algorithms=[ALGORITHM, ENCRYPTION], strict_check_header=False)


class SealError(ChassisError):
    """A field cannot be sealed: the reader's public key is missing or no key."""

    reason = "SEAL_FAILED"


class OpenError(ChassisError):
    """A sealed field does not open. Why is not told further than this: the text holds nothing of it."""

    reason = "SEALED_FIELD_UNREADABLE"


@dataclass(frozen=True)
class Binding:
    """The event that a sealed field belongs to."""

    id: str
    type: str
    source: str


class KeyRing:
    """The keys in a service's own folder (`hash.key`, `seal*.jwk`, `public/seal/<reader>.jwk`).

    Several `seal*.jwk` may stand beside each other while a key is being replaced: all open, the readers'
    public keys decide which is sealed with.
    """

    def __init__(self, service: str, folder: Path) -> None:
        """Read the keys; ValueError or FileNotFoundError says which file is wrong."""
        self.service = service
        self._folder = folder
        self._hash_key = _hash_key(folder / "hash.key")
        self._own = _own(folder)
        self._readers: dict[str, ECKey] = {}

    def keyed_hash(self, value: str | bytes, purpose: str) -> str:
        """HMAC-SHA256 of a value, 64 hex digits, for look-up and comparison without the value.

        Hashes of one value for two purposes have nothing in common; nor have those of two services.
        """
        data = value.encode() if isinstance(value, str) else value
        label = purpose.encode()
        # The label's length goes first, so that no purpose runs over into the value.
        return hmac.new(self._hash_key, len(label).to_bytes(4) + label + data, hashlib.sha256).hexdigest()

    def seal(self, plaintext: str, reader: str, binding: Binding) -> str:
        """A compact JWE that only `reader` opens, only in this event; SealError without the reader's key."""
        key = self._readers.get(reader) or self._reader(reader)
        header = {
            "alg": ALGORITHM,
            "enc": ENCRYPTION,
            "kid": key.thumbprint(),
            "id": binding.id,
            "type": binding.type,
            "source": binding.source,
        }
        return jwe.encrypt_compact(header, plaintext, key, registry=_REGISTRY)

    def open(self, token: str, binding: Binding) -> str:
        """What was sealed for this service in this event; OpenError for anything else."""
        try:
            opened = jwe.decrypt_compact(token, self._opener, registry=_REGISTRY)
            header: dict[str, Any] = opened.headers()
            text = (opened.plaintext or b"").decode()
        except (JoseError, ValueError, KeyError, TypeError):
            raise OpenError("a sealed field does not open with this service's keys") from None
        if (header.get("id"), header.get("type"), header.get("source")) != (
            binding.id,
            binding.type,
            binding.source,
        ):
            raise OpenError("a sealed field belongs to another event")
        return text

    def seal_fields(self, message: Message, binding: Binding) -> None:
        """Replace, in place, each filled field that is marked `sealed_for` by its sealed form."""
        for holder, field, reader in _sealed_fields(message):
            setattr(holder, field.name, self.seal(getattr(holder, field.name), reader, binding))

    def open_fields(self, message: Message, binding: Binding) -> None:
        """Replace, in place, the fields sealed for this service by what they hold; others stay sealed."""
        for holder, field, reader in _sealed_fields(message):
            if reader == self.service:
                setattr(holder, field.name, self.open(getattr(holder, field.name), binding))

    def _opener(self, recipient: Any) -> ECKey:
        """The private key that a token names; the newest when it names none."""
        kid = recipient.headers().get("kid")
        for key in self._own:
            if kid in (None, key.thumbprint()):
                return key
        raise ValueError("sealed with a key that is not ours")

    def _reader(self, reader: str) -> ECKey:
        path = self._folder / "public" / "seal" / f"{reader}.jwk"
        try:
            key = ECKey.import_key(json.loads(path.read_text(encoding="utf-8")))
        except (OSError, JoseError, ValueError) as error:
            raise SealError(f"no public key of the reader {reader}: {type(error).__name__}") from None
        self._readers[reader] = key
        return key


def _hash_key(path: Path) -> bytes:
    key = bytes.fromhex(path.read_text(encoding="utf-8").strip())
    if len(key) < HASH_KEY_BYTES_MIN:
        raise ValueError(f"{path.name} holds fewer than {HASH_KEY_BYTES_MIN} bytes")
    return key


def _own(folder: Path) -> list[ECKey]:
    # The last name sorts first: `seal.jwk` is what an operator replaces, `seal-<date>.jwk` what is kept to
    # open.
    paths = sorted(folder.glob("seal*.jwk"), reverse=True)
    if not paths:
        raise FileNotFoundError(folder / "seal.jwk")
    return [ECKey.import_key(json.loads(path.read_text(encoding="utf-8"))) for path in paths]


def _sealed_fields(message: Message) -> Iterator[tuple[Message, FieldDescriptor, str]]:
    """Filled sealed fields of a message and of the messages in it: who holds it, which, for whom."""
    for field, reader in _marked(message.DESCRIPTOR):
        if reader and getattr(message, field.name):
            yield message, field, reader
        elif not reader and message.HasField(field.name):
            yield from _sealed_fields(getattr(message, field.name))


@cache
def _marked(descriptor: Descriptor) -> tuple[tuple[FieldDescriptor, str], ...]:
    """Fields to look at: sealed strings with their reader, single messages with an empty one."""
    found: list[tuple[FieldDescriptor, str]] = []
    for field in descriptor.fields:
        reader = field.GetOptions().Extensions[options_pb2.sealed_for]
        if reader and (field.type != FieldDescriptor.TYPE_STRING or field.is_repeated):
            raise TypeError(f"{field.full_name} is sealed, but no single string")
        if reader or (field.message_type is not None and not field.is_repeated):
            found.append((field, reader))
    return tuple(found)
