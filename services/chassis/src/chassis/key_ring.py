"""A service's own keys: fields sealed for one reader (JWE), and keyed hashes for look-up by a personal datum.

A sealed field is a compact JWE (RFC 7516), `ECDH-ES+A256KW` on P-256 with `A256GCM`. Its protected header
carries, beside `alg`, `enc` and the reader's `kid`, the `id`, `type` and `source` of the event it belongs to,
so that it opens in no other event. A publisher needs only the reader's public key, and may omit `kid`.

Imports neither gRPC nor the store: connectors use it too.
"""

import hashlib
import hmac
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

from chassis import key_files
from chassis.errors import ChassisError
from chassis.settings import WrongSetting

ALGORITHM = "ECDH-ES+A256KW"
ENCRYPTION = "A256GCM"

# The strict check would refuse the header parameters `id`, `type` and `source`, which are not in the RFC.
_REGISTRY = jwe.JWERegistry(algorithms=[ALGORITHM, ENCRYPTION], strict_check_header=False)


class SealError(ChassisError):
    """A field cannot be sealed: the reader's public key is missing or unusable."""

    reason = "SEAL_FAILED"


class OpenError(ChassisError):
    """A sealed field does not open. The text holds nothing of its content."""

    reason = "SEALED_FIELD_UNREADABLE"


@dataclass(frozen=True)
class Binding:
    """The event that a sealed field belongs to."""

    id: str
    type: str
    source: str


class KeyRing:
    """The keys in a service's own folder (`hash.key`, `seal*.jwk`, `public/seal/<reader>.jwk`).

    Several `seal*.jwk` may exist while a key is being replaced: all of them open fields; publishers seal with the
    reader's public key.
    """

    def __init__(self, service: str, folder: Path) -> None:
        """Read the keys; WrongSetting names the wrong file."""
        self.service = service
        self._folder = folder
        self._hash_key = key_files.read_hex(folder / "hash.key")
        self._private_keys = _read_private_keys(folder)
        self._public_keys: dict[str, ECKey] = {}

    def keyed_hash(self, value: str | bytes, purpose: str) -> str:
        """HMAC-SHA256 of a value, 64 hex digits, for look-up and comparison without the value.

        Hashes of one value differ between purposes and between services.
        """
        data = value.encode() if isinstance(value, str) else value
        label = purpose.encode()
        # The length prefix separates purpose and value: no two pairs give the same input.
        return hmac.new(self._hash_key, len(label).to_bytes(4) + label + data, hashlib.sha256).hexdigest()

    def seal(self, plaintext: str, reader: str, binding: Binding) -> str:
        """A compact JWE that only `reader` can open, only in this event; SealError without the reader's key."""
        key = self._public_keys.get(reader) or self._read_public_key(reader)
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
        """The plain text sealed for this service in this event; OpenError for any other token."""
        try:
            decrypted = jwe.decrypt_compact(token, self._private_key_of, registry=_REGISTRY)
            header: dict[str, Any] = decrypted.headers()
            text = (decrypted.plaintext or b"").decode()
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
        """Replace, in place, each non-empty field marked `sealed_for` by its sealed form."""
        for parent, field, reader in _sealed_fields(message):
            setattr(parent, field.name, self.seal(getattr(parent, field.name), reader, binding))

    def open_fields(self, message: Message, binding: Binding) -> None:
        """Replace, in place, the fields sealed for this service by their plain text; others stay sealed."""
        for parent, field, reader in _sealed_fields(message):
            if reader == self.service:
                setattr(parent, field.name, self.open(getattr(parent, field.name), binding))

    def content_hash(self, message: Message) -> str:
        """Keyed hash of an opened message, 16 hex digits, to recognise another content under one id.

        Fields sealed for other readers are left out: each sealing of one content differs.
        """
        readable = type(message)()
        readable.CopyFrom(message)
        for parent, field, reader in list(_sealed_fields(readable)):
            if reader != self.service:
                parent.ClearField(field.name)
        return self.keyed_hash(readable.SerializeToString(deterministic=True), "event content")[:16]

    def _private_key_of(self, recipient: Any) -> ECKey:
        """The private key named by a token's `kid`; the newest when it has none."""
        kid = recipient.headers().get("kid")
        for key in self._private_keys:
            if kid in (None, key.thumbprint()):
                return key
        raise ValueError("sealed with a key that is not ours")

    def _read_public_key(self, reader: str) -> ECKey:
        path = self._folder / "public" / "seal" / f"{reader}.jwk"
        try:
            key = key_files.read_jwk(path)
        except WrongSetting as error:
            raise SealError(f"no public key of the reader {reader}: {error}") from None
        self._public_keys[reader] = key
        return key


def _read_private_keys(folder: Path) -> list[ECKey]:
    # In descending order, so that `seal.jwk`, the current key, comes before the kept `seal-<date>.jwk`.
    paths = sorted(folder.glob("seal*.jwk"), reverse=True) or [folder / "seal.jwk"]
    return [key_files.read_private_jwk(path) for path in paths]


def _sealed_fields(message: Message) -> Iterator[tuple[Message, FieldDescriptor, str]]:
    """Non-empty sealed fields of a message and of its submessages: containing message, field, reader."""
    for field, reader in _candidates(message.DESCRIPTOR):
        if reader and getattr(message, field.name):
            yield message, field, reader
        elif not reader and message.HasField(field.name):
            yield from _sealed_fields(getattr(message, field.name))


@cache
def _candidates(descriptor: Descriptor) -> tuple[tuple[FieldDescriptor, str], ...]:
    """Fields to visit: sealed strings with their reader, single submessages with an empty one."""
    candidates: list[tuple[FieldDescriptor, str]] = []
    for field in descriptor.fields:
        reader = field.GetOptions().Extensions[options_pb2.sealed_for]
        if reader and (field.type != FieldDescriptor.TYPE_STRING or field.is_repeated):
            raise TypeError(f"{field.full_name} is sealed, but not a single string")
        if reader or (field.message_type is not None and not field.is_repeated):
            candidates.append((field, reader))
    return tuple(candidates)
