"""JWTs signed with ES256 by identity: access tokens, and confirmations of one exact content.

The header `typ` distinguishes the kinds, so that none is accepted in place of another; `assertions` has the third one:

- access token (`at+jwt`): iss `diwan.identity`, aud, sub, kind, person, roles, office, channel, act, sid (the
  session), jti, iat, exp (15 minutes);
- confirmation (`confirmation+jwt`): sub the account, sid, purpose, digest, jti (single use), exp (5 minutes).

Each has exactly one audience, so that its receiver cannot use it elsewhere. Times are UTC; clocks may differ by 30
seconds. Imports no gRPC.
"""

import base64
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, KeySet
from joserfc.jws import JWSRegistry

from chassis.caller import Caller, Kind
from chassis.errors import (
    ConfirmationExpired,
    ConfirmationInvalid,
    ConfirmationMismatch,
    TokenExpired,
    TokenInvalid,
)
from chassis.key_files import read_jwk, read_private_jwk

ALGORITHM: Final = "ES256"
ISSUER: Final = "diwan.identity"
SKEW: Final = timedelta(seconds=30)
ACCESS_LIFETIME: Final = timedelta(minutes=15)
CONFIRMATION_LIFETIME: Final = timedelta(minutes=5)
MAX_TOKEN: Final = 4096
"""Longest token that is verified, characters."""

_ACCESS: Final = "at+jwt"
_CONFIRMATION: Final = "confirmation+jwt"
_registry: Final = JWSRegistry(algorithms=[ALGORITHM])


@dataclass(frozen=True)
class Confirmation:
    """A citizen's confirmation of one content. Its consumer stores `jti` with the change that it allowed."""

    account: str
    purpose: str
    digest: str
    jti: str
    expires_at: datetime


def read_key(path: Path) -> ECKey:
    """An EC P-256 key from a JWK file; its `kid` is its thumbprint (RFC 7638). WrongSetting for another file."""
    return with_kid(read_jwk(path))


def read_signing_key(path: Path) -> ECKey:
    """As `read_key`, of a private key."""
    return with_kid(read_private_jwk(path))


def generate_key() -> ECKey:
    """A new EC P-256 key."""
    return with_kid(ECKey.generate_key("P-256"))


def public_jwks(keys: Sequence[ECKey]) -> str:
    """The public parts as a JWK set (RFC 7517), the response of ListSigningKeys."""
    return json.dumps(
        {"keys": [{**with_kid(key).as_dict(private=False), "alg": ALGORITHM, "use": "sig"} for key in keys]}
    )


def parse_jwks(text: str) -> KeySet:
    """Read a JWK set; ValueError unless it holds only public EC P-256 keys."""
    try:
        keys = [ECKey.import_key(item) for item in json.loads(text)["keys"]]
    except (JoseError, KeyError, TypeError, ValueError) as error:
        msg = "not a JWK set of EC keys"
        raise ValueError(msg) from error
    if any(key.is_private or key.curve_name != "P-256" for key in keys):
        msg = "a JWK set must hold only public P-256 keys"
        raise ValueError(msg)
    return KeySet([with_kid(key) for key in keys])


def sign_access(
    key: ECKey,
    caller: Caller,
    *,
    audience: str,
    now: datetime,
    jti: str,
    lifetime: timedelta = ACCESS_LIFETIME,
) -> str:
    """An access token for a caller, valid only for `audience`, a service's name."""
    claims: dict[str, Any] = {
        "iss": ISSUER,
        "aud": audience,
        "sub": caller.id,
        "kind": str(caller.kind),
        "person": caller.person,
        "roles": sorted(caller.roles),
        "office": caller.office,
        "channel": caller.channel,
        "act": caller.acting_for,
        "sid": caller.session,
    }
    non_empty = {name: value for name, value in claims.items() if value}
    return sign(key, _ACCESS, non_empty, now=now, jti=jti, lifetime=lifetime)


def verify_access(token: str, keys: KeySet, audience: str, now: datetime) -> Caller:
    """The caller of `audience`; TokenExpired, or TokenInvalid, also for a token with further audiences."""
    claims = _verify(token, keys, typ=_ACCESS, issuer=ISSUER, audience=audience, now=now)
    roles = claims.get("roles", [])
    if not isinstance(roles, list) or claims.get("kind") not in _KINDS:
        raise TokenInvalid
    return Caller(
        kind=Kind(claims["kind"]),
        id=_text(claims, "sub"),
        person=_text(claims, "person", ""),
        roles=frozenset(str(role) for role in roles),
        office=_text(claims, "office", ""),
        channel=_text(claims, "channel", ""),
        acting_for=_text(claims, "act", ""),
        session=_text(claims, "sid", ""),
        issued_at=datetime.fromtimestamp(claims["iat"], tz=UTC),
    )


def sign_confirmation(
    key: ECKey,
    *,
    account: str,
    purpose: str,
    digest: str,
    audience: str,
    now: datetime,
    jti: str,
    session: str = "",
) -> str:
    """A statement that the account's holder confirmed a content, by its SHA-256 in hex, for a purpose in a session."""
    claims = {
        "iss": ISSUER,
        "aud": audience,
        "sub": account,
        "sid": session,
        "purpose": purpose,
        "digest": digest,
    }
    return sign(key, _CONFIRMATION, claims, now=now, jti=jti, lifetime=CONFIRMATION_LIFETIME)


def verify_confirmation(
    token: str, keys: KeySet, *, audience: str, purpose: str, digest: str, account: str, now: datetime
) -> Confirmation:
    """The verified confirmation; ConfirmationExpired, ConfirmationMismatch (another digest) or ConfirmationInvalid."""
    try:
        claims = _verify(token, keys, typ=_CONFIRMATION, issuer=ISSUER, audience=audience, now=now)
    except TokenExpired:
        raise ConfirmationExpired from None
    except TokenInvalid:
        raise ConfirmationInvalid from None
    if (claims.get("purpose"), claims.get("sub")) != (purpose, account):
        raise ConfirmationInvalid
    if claims.get("digest") != digest:
        raise ConfirmationMismatch
    expires = datetime.fromtimestamp(claims["exp"], tz=now.tzinfo)
    return Confirmation(account, purpose, digest, claims["jti"], expires)


def confirming_caller(token: str, keys: KeySet, *, audience: str, now: datetime) -> Caller:
    """The citizen who made a confirmation, with session and time of issue; TokenExpired or TokenInvalid."""
    claims = _verify(token, keys, typ=_CONFIRMATION, issuer=ISSUER, audience=audience, now=now)
    return Caller(
        kind=Kind.CITIZEN,
        id=_text(claims, "sub"),
        session=_text(claims, "sid", ""),
        issued_at=datetime.fromtimestamp(claims["iat"], tz=UTC),
    )


def key_set(*keys: ECKey) -> KeySet:
    """A set of keys for verification."""
    return KeySet([with_kid(key) for key in keys])


def key_ids(keys: KeySet) -> frozenset[str]:
    """The ids of the keys in a set."""
    return frozenset(str(key.kid) for key in keys.keys)


def key_id(token: str) -> str:
    """The id of the key named by a token's header, not verified; TokenInvalid if it is malformed or too long."""
    if len(token) > MAX_TOKEN:
        raise TokenInvalid
    try:
        header = json.loads(unpadded(token.split(".", 1)[0]))
        return _text(header, "kid")
    except (ValueError, TypeError, AttributeError, RecursionError):
        raise TokenInvalid from None


_KINDS: Final = frozenset({str(Kind.CITIZEN), str(Kind.OFFICER), str(Kind.SERVICE)})


def sign(
    key: ECKey, typ: str, claims: dict[str, Any], *, now: datetime, jti: str, lifetime: timedelta
) -> str:
    """A JWT with these claims, jti, iat and exp."""
    issued = int(now.timestamp())
    payload = {**claims, "jti": jti, "iat": issued, "exp": issued + int(lifetime.total_seconds())}
    header = {"alg": ALGORITHM, "typ": typ, "kid": with_kid(key).kid}
    return jwt.encode(header, payload, key, registry=_registry)


def _verify(
    token: str, keys: KeySet, *, typ: str, issuer: str, audience: str, now: datetime
) -> dict[str, Any]:
    if key_id(token) not in key_ids(keys):
        raise TokenInvalid
    try:
        decoded = jwt.decode(token, keys, registry=_registry)
    except (JoseError, ValueError, TypeError):
        raise TokenInvalid from None
    claims = decoded.claims
    times = (claims.get("iat"), claims.get("exp"))
    well_formed = (
        decoded.header.get("typ") == typ
        and claims.get("iss") == issuer
        # Never a list: of two services that accept one token, either could use it at the other.
        and claims.get("aud") == audience
        and all(isinstance(time, int) and not isinstance(time, bool) for time in times)
        and isinstance(claims.get("jti"), str)
        and bool(claims["jti"])
    )
    if not well_formed or claims["iat"] > (now + SKEW).timestamp():
        raise TokenInvalid
    if claims["exp"] <= (now - SKEW).timestamp():
        raise TokenExpired
    return claims


def _text(claims: dict[str, Any], name: str, default: str | None = None) -> str:
    value = claims.get(name, default)
    if not isinstance(value, str) or (default is None and not value):
        raise TokenInvalid
    return value


def with_kid(key: ECKey) -> ECKey:
    """The key, with its own id or its thumbprint as `kid`."""
    key.ensure_kid()
    return key


def unpadded(text: str) -> bytes:
    """The bytes of a base64url text without padding; ValueError for another text."""
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
