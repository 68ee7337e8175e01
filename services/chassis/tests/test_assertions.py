"""Client assertions as RFC 7523 permits them, and the reason of each refusal."""

import base64
import json
from datetime import UTC, datetime, timedelta

import pytest
from chassis.caller import Caller, Kind
from chassis.tokens import (
    AssertionRefused,
    claimed_client,
    generate_key,
    sign_access,
    sign_assertion,
    sign_confirmation,
    verify_assertion,
)
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from hypothesis import given
from hypothesis import strategies as st
from joserfc import jwt
from joserfc.jwk import ECKey, OctKey, RSAKey

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
SECONDS = int(NOW.timestamp())
CLIENT = "payments"
HEADER = {"alg": "ES256", "typ": "client-authentication+jwt"}
CLAIMS = {
    "iss": CLIENT,
    "sub": CLIENT,
    "aud": "diwan.identity",
    "jti": "j-1",
    "iat": SECONDS,
    "exp": SECONDS + 60,
}
ABSENT = object()


@pytest.fixture(scope="module")
def key():
    return generate_key()


def encoded(content):
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def assertion(key, header=None, **claims):
    """Return a signed assertion with another header and other claims, also such as no library signs."""
    head = {name: value for name, value in (HEADER | (header or {})).items() if value is not ABSENT}
    content = {name: value for name, value in (CLAIMS | claims).items() if value is not ABSENT}
    signed = ".".join(encoded(json.dumps(part).encode()) for part in (head, content))
    r, s = decode_dss_signature(key.private_key.sign(signed.encode(), ECDSA(SHA256())))
    return f"{signed}.{encoded(r.to_bytes(32) + s.to_bytes(32))}"


def problem(text, keys, client=CLIENT, now=NOW):
    with pytest.raises(AssertionRefused) as refused:
        verify_assertion(text, keys, client, now)
    return str(refused.value.problem)


ACCEPTED = {
    "as the chassis signs it": {},
    "no iat": {"iat": ABSENT},
    "no typ": {"header": {"typ": ABSENT}},
    "typ JWT": {"header": {"typ": "JWT"}},
    "typ jwt": {"header": {"typ": "jwt"}},
    "typ with the media type's tree": {"header": {"typ": "application/client-authentication+jwt"}},
    "a thumbprint of a certificate": {"header": {"x5t#S256": "abc", "x-own": 1}},
    "fractional times": {"iat": SECONDS - 0.25, "exp": SECONDS + 59.75, "nbf": SECONDS - 0.5},
    "times as floats": {"iat": float(SECONDS), "exp": float(SECONDS + 30)},
    "aud as a list": {"aud": ["diwan.identity"]},
    "nbf now": {"nbf": SECONDS},
    "clocks that differ": {"iat": SECONDS + 29, "nbf": SECONDS + 29, "exp": SECONDS + 89},
    "just expired by another clock": {"exp": SECONDS - 29},
    "an old iat": {"iat": SECONDS - 3600, "exp": SECONDS + 30},
    "further claims": {"scope": "x", "client_id": CLIENT},
    "a long jti": {"jti": "j" * 500},
}
REFUSED = {
    "alg none": ({"header": {"alg": "none"}}, "algorithm"),
    "typ of an access token": ({"header": {"typ": "at+jwt"}}, "type"),
    "typ of a confirmation": ({"header": {"typ": "confirmation+jwt"}}, "type"),
    "typ null": ({"header": {"typ": None}}, "type"),
    "unknown kid": ({"header": {"kid": "another"}}, "not_verified"),
    "kid no text": ({"header": {"kid": 7}}, "not_verified"),
    "unknown critical header": ({"header": {"crit": ["x-own"], "x-own": 1}}, "not_verified"),
    "another issuer": ({"iss": "notary"}, "issuer"),
    "no sub": ({"sub": ABSENT}, "subject"),
    "another sub": ({"sub": "notary"}, "subject"),
    "no aud": ({"aud": ABSENT}, "audience"),
    "another aud": ({"aud": "diwan.payments"}, "audience"),
    "empty aud": ({"aud": []}, "audience"),
    "aud of two": ({"aud": ["diwan.identity", "https://elsewhere.example"]}, "audience"),
    "aud nested": ({"aud": [["diwan.identity"]]}, "audience"),
    "no jti": ({"jti": ABSENT}, "jti"),
    "empty jti": ({"jti": ""}, "jti"),
    "jti a number": ({"jti": 7}, "jti"),
    "jti with a lone surrogate": ({"jti": "j-\ud800"}, "jti"),
    "no exp": ({"exp": ABSENT}, "expiry"),
    "exp as text": ({"exp": str(SECONDS + 60)}, "expiry"),
    "exp true": ({"exp": True}, "expiry"),
    "exp null": ({"exp": None}, "expiry"),
    "exp infinite": ({"exp": float("inf")}, "expiry"),
    "exp not a number": ({"exp": float("nan")}, "expiry"),
    "expired": ({"exp": SECONDS - 30}, "expired"),
    "exp in milliseconds": ({"exp": (SECONDS + 60) * 1000}, "expiry_too_far"),
    "exp huge": ({"exp": 10**400}, "expiry_too_far"),
    "exp in an hour": ({"exp": SECONDS + 3600}, "expiry_too_far"),
    "exp in an hour without iat": ({"exp": SECONDS + 3600, "iat": ABSENT}, "expiry_too_far"),
    "exp in an hour, iat too": ({"exp": SECONDS + 3600, "iat": SECONDS + 3590}, "expiry_too_far"),
    "nbf ahead": ({"nbf": SECONDS + 31}, "not_yet_valid"),
    "nbf as text": ({"nbf": "now"}, "not_yet_valid"),
    "iat ahead": ({"iat": SECONDS + 31}, "issued_in_future"),
    "iat null": ({"iat": None}, "issued_in_future"),
}


@pytest.mark.parametrize("changes", ACCEPTED.values(), ids=ACCEPTED)
def test_an_assertion_that_the_rfc_permits_is_accepted(key, changes):
    """The result is jti and expiry."""
    text = assertion(key, **changes)
    expiry = changes.get("exp", CLAIMS["exp"])

    assert claimed_client(text) == CLIENT
    jti, ends = verify_assertion(text, [key], CLIENT, NOW)
    assert (jti, ends) == (changes.get("jti", "j-1"), datetime.fromtimestamp(expiry, UTC))


@pytest.mark.parametrize(("changes", "expected"), REFUSED.values(), ids=REFUSED)
def test_another_assertion_is_refused_with_its_problem(key, changes, expected):
    """The client can mend it."""
    assert problem(assertion(key, **changes), [key]) == expected


def test_of_several_registered_keys_each_is_tried(key):
    """Without `kid`; with one, only the key of that name."""
    others = [generate_key(), generate_key()]
    for keys in ([key, *others], [others[0], key, others[1]], [*others, key]):
        assert verify_assertion(assertion(key), keys, CLIENT, NOW)
        assert verify_assertion(assertion(key, {"kid": key.kid}), keys, CLIENT, NOW)
        assert problem(assertion(key, {"kid": others[0].kid}), keys) == "not_verified"
    assert problem(assertion(key), others) == "not_verified"
    assert problem(assertion(key), []) == "not_verified"


def test_a_key_may_have_a_name_of_its_own():
    """The registered key's `kid` is used as it is."""
    named = ECKey.import_key(generate_key().as_dict(private=True) | {"kid": "our-key-1"})

    assert verify_assertion(assertion(named, {"kid": "our-key-1"}), [named], CLIENT, NOW)


def test_another_algorithm_is_refused(key):
    """HS256 with the public key as its secret, RS256, and ES256 in the header of another signature."""
    public = json.dumps(key.as_dict(private=False)).encode()
    secret = OctKey.import_key(public)
    by_secret = jwt.encode({"alg": "HS256"}, CLAIMS, secret, algorithms=["HS256"])
    unsigned = ".".join([encoded(b'{"alg":"none"}'), assertion(key).split(".")[1], ""])
    by_rsa = jwt.encode({"alg": "RS256"}, CLAIMS, RSAKey.generate_key(2048), algorithms=["RS256"])
    head = assertion(key).split(".")[0]

    assert problem(unsigned, [key]) == "algorithm"
    assert problem(by_secret, [key]) == "algorithm"
    assert problem(by_rsa, [key]) == "algorithm"
    assert problem(".".join([head, *by_secret.split(".")[1:]]), [key]) == "not_verified"


def test_other_tokens_of_the_same_key_are_no_assertions(key):
    """Also with issuer, subject and audience of an assertion."""
    caller = Caller(kind=Kind.SERVICE, id="diwan.identity")
    access = sign_access(
        key, caller, audience="diwan.identity", now=NOW, jti="j", lifetime=timedelta(minutes=1)
    )
    confirmation = sign_confirmation(
        key, account="diwan.identity", purpose="p", digest="d", audience="diwan.identity", now=NOW, jti="j"
    )

    assert [problem(text, [key], "diwan.identity") for text in (access, confirmation)] == ["type", "type"]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x" * 40,
        "a.b",
        "a.b.c",
        "..",
        "e30.e30.",
        "W10.e30.x",
        "e30.W10.x",
        "\u0660.e30.x",
        "bnVsbA.bnVsbA.x",
        "a" * 5000,
    ],
)
def test_a_text_that_is_no_jwt_is_refused(key, text):
    """Not in three parts, no base64url, no JSON object, too long."""
    assert problem(text, [key]) in {"form", "algorithm"}
    with pytest.raises(AssertionRefused):
        claimed_client(text)


@given(st.text(max_size=200))
def test_any_text_is_refused(text):
    """Without another exception."""
    for part in (text, f"{text}.{text}.{text}", f"e30.{text}.x"):
        with pytest.raises(AssertionRefused):
            claimed_client(part)
        with pytest.raises(AssertionRefused):
            verify_assertion(part, [], CLIENT, NOW)


def test_an_altered_assertion_is_not_verified(key):
    """The signature covers header and claims."""
    head, claims, signature = sign_assertion(key, CLIENT, NOW, "j").split(".")
    other = assertion(key, jti="j-2").split(".")[1]

    assert problem(f"{head}.{other}.{signature}", [key]) == "not_verified"
    assert problem(f"{head}.{claims}.", [key]) == "not_verified"
    assert problem(f"{head}.{claims}.{signature[:-8]}", [key]) == "not_verified"
