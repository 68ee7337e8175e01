"""Client assertions: a client's statement of its identity, signed with its own key (private_key_jwt, RFC 7523).

Each form that the RFC permits is accepted: `typ`, `kid`, `iat` and `nbf` may be absent, times may have fractions, `aud`
may be a list of one. The RFC lets the receiver require more: ES256, a `jti` (an assertion is valid once), and an expiry
within a minute. An audience beside identity is refused: its owner could use the assertion before the client does
(RFC 7523bis, section 4).
"""

import json
import math
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final, TypeGuard

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey
from joserfc.jws import JWSRegistry

from chassis.tokens.jwt import ALGORITHM, ISSUER, MAX_TOKEN, SKEW, sign, unpadded, with_kid

ASSERTION_LIFETIME: Final = timedelta(seconds=60)
_TYPE: Final = "client-authentication+jwt"
_TYPES: Final = frozenset({"", "jwt", _TYPE, f"application/{_TYPE}"})
"""Accepted values of `typ`, in lower case: media types are not case-sensitive. Other kinds of tokens have others."""
# Unknown header parameters, such as a certificate's thumbprint, are ignored (RFC 7515, section 4), but not `crit`.
_registry: Final = JWSRegistry(algorithms=[ALGORITHM], strict_check_header=False)


class Problem(StrEnum):
    """Cause of a refusal, returned to the client. None reveals whether a client or a key exists."""

    FORM = "form"
    """No JWT: three parts, the first two JSON objects in base64url."""
    ALGORITHM = "algorithm"
    """`alg` is not ES256."""
    TYPE = "type"
    """`typ` is that of another kind of token."""
    NOT_VERIFIED = "not_verified"
    """No key is registered for `iss`, `kid` names none of them, or none of them made the signature."""
    ISSUER = "issuer"
    """`iss` is absent or no client id."""
    SUBJECT = "subject"
    """`sub` is not the same as `iss`."""
    AUDIENCE = "audience"
    """`aud` is not `diwan.identity` alone."""
    JTI = "jti"
    """`jti` is absent, empty or no text."""
    EXPIRY = "expiry"
    """`exp` is absent or no number."""
    EXPIRED = "expired"
    """`exp` is past."""
    EXPIRY_TOO_FAR = "expiry_too_far"
    """`exp` is more than 60 seconds ahead."""
    NOT_YET_VALID = "not_yet_valid"
    """`nbf` is ahead, or no number."""
    ISSUED_IN_FUTURE = "issued_in_future"
    """`iat` is ahead, or no number."""


class AssertionRefused(Exception):
    """An assertion is not valid, for the reason in `problem`."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem)
        self.problem = problem


def sign_assertion(key: ECKey, client: str, now: datetime, jti: str, audience: str = ISSUER) -> str:
    """An assertion of a client, valid for a minute."""
    claims = {"iss": client, "sub": client, "aud": audience}
    return sign(key, _TYPE, claims, now=now, jti=jti, lifetime=ASSERTION_LIFETIME)


def claimed_client(assertion: str) -> str:
    """The issuer claimed by an assertion, not verified: selects the keys that verify it. Raises AssertionRefused."""
    client = _part(assertion, 1).get("iss")
    if not isinstance(client, str) or not client:
        raise AssertionRefused(Problem.ISSUER)
    return client


def verify_assertion(
    assertion: str, keys: Sequence[ECKey], client: str, now: datetime, audience: str = ISSUER
) -> tuple[str, datetime]:
    """The assertion's jti and its expiry, by which the caller refuses a second use.

    Args:
        assertion: compact JWT.
        keys: the client's registered keys; each is tried if the header has no `kid`.
        client: the client's id.
        now: current time, UTC; clocks may differ by 30 seconds.
        audience: who verifies it.

    Raises:
        AssertionRefused: it is not valid.
    """
    _check_header(_part(assertion, 0))
    claims = _verified(assertion, keys)
    if claims.get("iss") != client:
        raise AssertionRefused(Problem.ISSUER)
    if claims.get("sub") != client:
        raise AssertionRefused(Problem.SUBJECT)
    if claims.get("aud") not in (audience, [audience]):
        raise AssertionRefused(Problem.AUDIENCE)
    jti = claims.get("jti")
    if not _is_text(jti):
        raise AssertionRefused(Problem.JTI)
    return jti, _expiry(claims, now)


def _part(assertion: str, index: int) -> dict[str, Any]:
    """Header (0) or claims (1)."""
    parts = assertion.split(".")
    if len(parts) != 3 or len(assertion) > MAX_TOKEN:
        raise AssertionRefused(Problem.FORM)
    try:
        part = json.loads(unpadded(parts[index]))
    except (ValueError, RecursionError):
        raise AssertionRefused(Problem.FORM) from None
    if not isinstance(part, dict):
        raise AssertionRefused(Problem.FORM)
    return part


def _check_header(header: Mapping[str, Any]) -> None:
    if header.get("alg") != ALGORITHM:
        raise AssertionRefused(Problem.ALGORITHM)
    if str(header.get("typ", "")).lower() not in _TYPES:
        raise AssertionRefused(Problem.TYPE)


def _verified(assertion: str, keys: Sequence[ECKey]) -> dict[str, Any]:
    """The claims, by the key that the header names, or by the first that verifies them."""
    kid = _part(assertion, 0).get("kid")
    for key in keys:
        if kid is not None and with_kid(key).kid != kid:
            continue
        try:
            return jwt.decode(assertion, key, registry=_registry).claims
        except (JoseError, ValueError, TypeError):
            continue  # signed with another key, or not at all
    raise AssertionRefused(Problem.NOT_VERIFIED)


def _expiry(claims: Mapping[str, Any], now: datetime) -> datetime:
    """The expiry; the times of the claims are checked."""
    expiry = claims.get("exp")
    if not _is_time(expiry):
        raise AssertionRefused(Problem.EXPIRY)
    if expiry <= (now - SKEW).timestamp():
        raise AssertionRefused(Problem.EXPIRED)
    if expiry > (now + ASSERTION_LIFETIME + SKEW).timestamp():
        raise AssertionRefused(Problem.EXPIRY_TOO_FAR)
    latest = (now + SKEW).timestamp()
    for name, problem in (("nbf", Problem.NOT_YET_VALID), ("iat", Problem.ISSUED_IN_FUTURE)):
        if name in claims and not (_is_time(claims[name]) and claims[name] <= latest):
            raise AssertionRefused(problem)
    return datetime.fromtimestamp(expiry, tz=now.tzinfo)


def _is_text(value: Any) -> TypeGuard[str]:
    """Whether a value is a text that is not empty. JSON can express lone surrogates, which UTF-8 cannot."""
    return isinstance(value, str) and value != "" and not any("\ud800" <= each <= "\udfff" for each in value)


def _is_time(value: Any) -> TypeGuard[float]:
    """Whether a value is a NumericDate, seconds with or without a fraction (RFC 7519)."""
    # NaN is not below infinity; `math.isfinite` raises for a very large integer.
    return isinstance(value, int | float) and not isinstance(value, bool) and -math.inf < value < math.inf
