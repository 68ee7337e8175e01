"""Tokens: who calls, what was confirmed, the keys to check both with, and a service's own tokens."""

from chassis.tokens.keys import TokenKeys, utc_now
from chassis.tokens.service import ServiceTokens, acting_for
from chassis.tokens.statements import (
    Confirmation,
    claimed_client,
    generate_key,
    key_set,
    parse_jwks,
    public_jwks,
    read_key,
    sign_access,
    sign_assertion,
    sign_confirmation,
    verify_access,
    verify_assertion,
    verify_confirmation,
)

__all__ = [
    "Confirmation",
    "ServiceTokens",
    "TokenKeys",
    "acting_for",
    "claimed_client",
    "generate_key",
    "key_set",
    "parse_jwks",
    "public_jwks",
    "read_key",
    "sign_access",
    "sign_assertion",
    "sign_confirmation",
    "utc_now",
    "verify_access",
    "verify_assertion",
    "verify_confirmation",
]
