"""Tokens: callers' access tokens, citizens' confirmations, the keys that verify both, and a service's own tokens."""

from chassis.tokens.assertions import (
    AssertionRefused,
    Problem,
    claimed_client,
    sign_assertion,
    verify_assertion,
)
from chassis.tokens.jwt import (
    Confirmation,
    generate_key,
    key_set,
    parse_jwks,
    public_jwks,
    read_key,
    read_signing_key,
    sign_access,
    sign_confirmation,
    verify_access,
    verify_confirmation,
)
from chassis.tokens.keys import TokenKeys
from chassis.tokens.service import ServiceTokens, acting_for

__all__ = [
    "AssertionRefused",
    "Confirmation",
    "Problem",
    "ServiceTokens",
    "TokenKeys",
    "acting_for",
    "claimed_client",
    "generate_key",
    "key_set",
    "parse_jwks",
    "public_jwks",
    "read_key",
    "read_signing_key",
    "sign_access",
    "sign_assertion",
    "sign_confirmation",
    "verify_access",
    "verify_assertion",
    "verify_confirmation",
]
