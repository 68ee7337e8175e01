"""Identity's signing keys, its clients' keys, and the refresh and device tokens."""

import hmac
import re
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from chassis import log
from chassis.key_ring import KeyRing
from chassis.settings import WrongSetting
from chassis.tokens import key_set, public_jwks, read_key, read_signing_key
from joserfc.jwk import ECKey, KeySet

from identity.model.errors import SessionEnded

_log = log.get(__name__)
_CLIENT = re.compile(r"[a-z]{1,40}")
_GENERATION = re.compile(r"[1-9][0-9]{0,5}")


@dataclass(frozen=True)
class Signing:
    """Identity's signing keys.

    Attributes:
        key: signs every token.
        retired: still published, so that their tokens stay valid until expiry.
        clients: folder of the clients' public keys.
    """

    key: ECKey
    retired: tuple[ECKey, ...]
    clients: Path

    @classmethod
    def read(cls, folder: Path) -> "Signing":
        """Read `signing.jwk` (signs) and `signing-*.jwk` (published only); WrongSetting names a wrong file."""
        retired = tuple(read_key(path) for path in sorted(folder.glob("signing-*.jwk")))
        return cls(read_signing_key(folder / "signing.jwk"), retired, folder / "clients")

    @property
    def jwks(self) -> str:
        """The JWK set by which tokens are verified, as JSON."""
        return public_jwks((self.key, *self.retired))

    @property
    def keys(self) -> KeySet:
        """The keys by which identity itself verifies its tokens."""
        return key_set(self.key, *self.retired)

    def client(self, name: str) -> tuple[ECKey, ...]:
        """A client's public keys, `<name>.jwk` and `<name>-*.jwk`; empty for an unknown client.

        They are read each time, because keys are replaced.
        """
        if not _CLIENT.fullmatch(name):
            return ()
        paths = (self.clients / f"{name}.jwk", *sorted(self.clients.glob(f"{name}-*.jwk")))
        return tuple(key for path in paths if (key := _readable(path)))


def _readable(path: Path) -> ECKey | None:
    """A client's key; None without the file, and, after a log line, for a file that holds no key."""
    if not path.exists():
        return None
    try:
        return read_key(path)
    except WrongSetting as error:
        _log.warning("client key is unreadable", path=str(path), error=str(error))
        return None


def refresh_token(keys: KeyRing, session_id: str, generation: int) -> str:
    """The refresh token of a generation. It is derived from the key ring, so the store does not hold it."""
    payload = f"{session_id}.{generation}"
    return f"{payload}.{keys.keyed_hash(payload, 'refresh token')}"


def read_refresh_token(keys: KeyRing, token: str) -> tuple[str, int]:
    """Session and generation of a refresh token; SessionEnded for one that identity did not issue."""
    session_id, _, rest = token.partition(".")
    generation = rest.partition(".")[0]
    try:
        well_formed = str(UUID(session_id)) == session_id
    except ValueError:
        well_formed = False
    if not well_formed or not _GENERATION.fullmatch(generation):
        raise SessionEnded
    expected = refresh_token(keys, session_id, int(generation))
    if not hmac.compare_digest(expected.encode(), token.encode()):
        raise SessionEnded
    return session_id, int(generation)


def device_token(keys: KeyRing, session_id: str, holder_id: str) -> str:
    """The token of a device that has opened a session, derived from the key ring like a refresh token."""
    return f"{session_id}.{keys.keyed_hash(f'{session_id}/{holder_id}', 'device token')}"


def read_device_token(keys: KeyRing, token: str, holder_id: str) -> str:
    """The id of the session that a device has opened, or "" for a token of another holder, or none of identity's."""
    session_id = token.partition(".")[0]
    expected = device_token(keys, session_id, holder_id)
    return session_id if hmac.compare_digest(expected.encode(), token.encode()) else ""
