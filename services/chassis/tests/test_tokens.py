"""Tokens, confirmations and assertions, and the keys that verify them."""

import asyncio
import base64
import hashlib
import hmac
import json
from datetime import UTC, datetime, timedelta

import pytest
from chassis.caller import Caller, Kind
from chassis.errors import (
    ConfirmationExpired,
    ConfirmationInvalid,
    KeysUnavailable,
    TokenExpired,
    TokenInvalid,
)
from chassis.tokens import (
    TokenKeys,
    generate_key,
    key_set,
    parse_jwks,
    public_jwks,
    read_key,
    sign_access,
    sign_assertion,
    sign_confirmation,
    verify_access,
)
from joserfc import jwt

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
DIGEST = "ab" * 32
OFFICER = Caller(
    kind=Kind.OFFICER,
    id="o-1",
    person="p-1",
    roles=frozenset({"clerk"}),
    office="cairo-1",
    channel="post_office",
)


@pytest.fixture
def key():
    return generate_key()


def access(key, caller=OFFICER, audience="notary", now=NOW):
    return sign_access(key, caller, audience=audience, now=now, jti="j-1")


def forged(key, header=None, **changes):
    """Return a correctly signed token with other claims or another header."""
    claims = {
        "iss": "diwan.identity",
        "aud": "notary",
        "sub": "a-1",
        "kind": "citizen",
        "jti": "j",
        "iat": int(NOW.timestamp()),
        "exp": int(NOW.timestamp()) + 900,
    }
    key.ensure_kid()
    head = {"alg": "ES256", "typ": "at+jwt", "kid": key.kid} | (header or {})
    return jwt.encode(head, {**claims, **changes}, key, algorithms=[head["alg"]])


def test_a_token_contains_the_caller(key):
    """The verified caller equals the signed one."""
    assert verify_access(access(key), key_set(key), "notary", NOW) == OFFICER


def test_the_token_of_a_service_contains_the_account_it_acts_for(key):
    """The caller has the service's id and the account."""
    caller = Caller(kind=Kind.SERVICE, id="notary", acting_for="a-1")

    assert verify_access(access(key, caller), key_set(key), "notary", NOW) == caller


@pytest.mark.parametrize(("seconds", "valid"), [(0, True), (900 + 29, True), (900 + 31, False)])
def test_a_token_expires_after_15_minutes_and_a_tolerance_of_30_seconds(key, seconds, valid):
    """Clocks may differ by half a minute."""
    token, later = access(key), NOW + timedelta(seconds=seconds)

    if valid:
        assert verify_access(token, key_set(key), "notary", later)
    else:
        with pytest.raises(TokenExpired):
            verify_access(token, key_set(key), "notary", later)


def test_a_token_from_the_future_is_refused(key):
    """Its time of issue is later than the clock and the tolerance allow."""
    with pytest.raises(TokenInvalid):
        verify_access(access(key), key_set(key), "notary", NOW - timedelta(seconds=31))


@pytest.mark.parametrize(
    "changes",
    [
        {"iss": "somebody"},
        {"aud": "payments"},
        {"aud": ["notary", "payments"]},
        {"aud": ["notary"]},
        {"aud": None},
        {"sub": ""},
        {"sub": 7},
        {"kind": "anonymous"},
        {"kind": "king"},
        {"roles": "clerk"},
        {"jti": ""},
        {"exp": "never"},
        {"exp": None},
        {"iat": None},
        {"exp": True},
    ],
)
def test_a_signed_token_with_a_wrong_claim_is_refused(key, changes):
    """Every claim must be present and valid."""
    with pytest.raises(TokenInvalid):
        verify_access(forged(key, **changes), key_set(key), "notary", NOW)


def encoded(part):
    data = part if isinstance(part, bytes) else json.dumps(part).encode()
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


@pytest.mark.parametrize("algorithm", ["none", "HS256"])
def test_only_es256_is_accepted(key, algorithm):
    """Neither `none` nor a signature with our public key as a shared secret is."""
    head, body, _ = access(key).split(".")
    changed = {**json.loads(base64.urlsafe_b64decode(head + "==")), "alg": algorithm}
    signed = f"{encoded(changed)}.{body}"
    public = key.as_pem(private=False)
    signature = hmac.new(public, signed.encode(), hashlib.sha256).digest() if algorithm == "HS256" else b""

    with pytest.raises(TokenInvalid):
        verify_access(f"{signed}.{encoded(signature)}", key_set(key), "notary", NOW)


@pytest.mark.parametrize("token", ["", "a.b", "...", "é.b.c", "e30.e30.", "W10.e30.e30", "x" * 5000])
def test_an_invalid_text_is_refused_like_an_invalid_token(key, token):
    """The error is the same for any input."""
    with pytest.raises(TokenInvalid):
        verify_access(token, key_set(key), "notary", NOW)


@pytest.mark.parametrize("depth", [1_000, 3_000, 11_000])
async def test_a_deeply_nested_header_is_refused_like_an_invalid_token(key, depth):
    """The depth that the parser can read is no error of the service."""
    keys = TokenKeys.own("notary", key, clock=lambda: NOW)

    with pytest.raises(TokenInvalid):
        await keys.caller(f"{encoded(b'[' * depth)}.e30.e30")


def test_an_altered_token_is_refused(key):
    """One changed character invalidates the signature."""
    head, body, signature = access(key).split(".")
    altered = body[:10] + ("A" if body[10] != "A" else "B") + body[11:]

    with pytest.raises(TokenInvalid):
        verify_access(f"{head}.{altered}.{signature}", key_set(key), "notary", NOW)


def test_other_types_of_tokens_are_not_access_tokens(key):
    """A confirmation or an assertion is refused, even with the same key."""
    confirmation = sign_confirmation(
        key, account="a-1", purpose="p.q", digest=DIGEST, audience="notary", now=NOW, jti="j"
    )
    assertion = sign_assertion(key, "diwan.identity", NOW, "j", "notary")

    for token in (
        confirmation,
        assertion,
        forged(key, {"typ": "confirmation+jwt"}),
        forged(key, {"typ": "JWT"}),
    ):
        with pytest.raises(TokenInvalid):
            verify_access(token, key_set(key), "notary", NOW)


def confirmation(key, **changes):
    values = {"account": "a-1", "purpose": "notary.submit", "digest": DIGEST, "audience": "notary"}
    return sign_confirmation(key, **(values | changes), now=NOW, jti="c-1")


async def test_a_confirmation_is_valid_for_one_content(key):
    """Account, purpose and digest must be the confirmed ones."""
    keys = TokenKeys.own("notary", key, clock=lambda: NOW)

    signed = await keys.confirmation(confirmation(key))
    verified = signed.verify(purpose="notary.submit", digest=DIGEST, account="a-1")

    assert (verified.jti, verified.expires_at) == ("c-1", NOW + timedelta(minutes=5))


@pytest.mark.parametrize(
    "changes",
    [{"account": "a-2"}, {"purpose": "notary.revoke"}, {"digest": "cd" * 32}, {"audience": "payments"}],
)
async def test_a_confirmation_of_other_content_is_refused(key, changes):
    """Account, purpose, digest and audience are changed one by one."""
    keys = TokenKeys.own("notary", key, clock=lambda: NOW)

    signed = await keys.confirmation(confirmation(key, **changes))

    with pytest.raises(ConfirmationInvalid):
        signed.verify(purpose="notary.submit", digest=DIGEST, account="a-1")


async def test_a_confirmation_expires_after_five_minutes(key):
    """The refusal has its own reason, so that the client can ask for a new confirmation."""
    keys = TokenKeys.own("notary", key, clock=lambda: NOW + timedelta(minutes=6))

    signed = await keys.confirmation(confirmation(key))

    with pytest.raises(ConfirmationExpired):
        signed.verify(purpose="notary.submit", digest=DIGEST, account="a-1")


@pytest.mark.parametrize("token", ["", "nonsense", "a.b.c"])
async def test_an_invalid_confirmation_is_refused(key, token):
    """The error is not that of an access token, because a confirmation is a field of the request."""
    keys = TokenKeys.own("notary", key, clock=lambda: NOW)

    signed = await keys.confirmation(token)

    with pytest.raises(ConfirmationInvalid):
        signed.verify(purpose="notary.submit", digest=DIGEST, account="a-1")


class Identity:
    """A fake identity that publishes keys or is down; it counts the requests."""

    def __init__(self, *keys):
        self.keys, self.down, self.requests = keys, False, 0

    async def fetch(self):
        self.requests += 1
        await asyncio.sleep(0)
        if self.down:
            raise ConnectionError
        return public_jwks(self.keys)


class Clock:
    def __init__(self):
        self.now = NOW

    def __call__(self):
        return self.now


async def test_keys_are_fetched_at_the_first_use(key):
    """20 concurrent tokens cause one request."""
    identity = Identity(key)
    keys = TokenKeys("notary", fetch=identity.fetch, clock=Clock())

    callers = await asyncio.gather(*(keys.caller(access(key)) for _ in range(20)))

    assert set(callers) == {OFFICER}
    assert identity.requests == 1


async def test_kept_keys_are_used_while_identity_is_down(key, tmp_path):
    """A service can restart without identity."""
    path = tmp_path / "state" / "identity.jwks"
    await TokenKeys("notary", path=path, fetch=Identity(key).fetch, clock=Clock()).refresh()
    down = Identity(key)
    down.down = True

    keys = TokenKeys("notary", path=path, fetch=down.fetch, clock=Clock())

    assert await keys.caller(access(key)) == OFFICER
    assert '"d"' not in path.read_text()


async def test_without_any_key_the_error_is_unavailable(key):
    """A token that cannot be verified is not refused as invalid."""
    identity = Identity(key)
    identity.down = True

    with pytest.raises(KeysUnavailable):
        await TokenKeys("notary", fetch=identity.fetch, clock=Clock()).caller(access(key))


async def test_a_damaged_file_of_kept_keys_is_replaced(key, tmp_path):
    """The keys are fetched again."""
    path = tmp_path / "identity.jwks"
    path.write_text('{"keys": [')

    keys = TokenKeys("notary", path=path, fetch=Identity(key).fetch, clock=Clock())

    assert await keys.caller(access(key)) == OFFICER


async def test_an_unknown_key_is_fetched_at_most_every_ten_seconds(key):
    """A new key is found later, and a thousand forged ids cause no further request before that."""
    new, clock, identity = generate_key(), Clock(), Identity(key)
    keys = TokenKeys("notary", fetch=identity.fetch, clock=clock)
    await keys.caller(access(key))

    for _ in range(1000):
        with pytest.raises(TokenInvalid):
            await keys.caller(access(new))
    assert identity.requests == 1
    identity.keys = (key, new)
    clock.now += timedelta(seconds=11)

    assert await keys.caller(access(new)) == OFFICER
    assert identity.requests == 2


async def test_a_withdrawn_key_is_dropped(key):
    """Keys are fetched again after ten minutes, in the background."""
    clock, identity = Clock(), Identity(key)
    keys = TokenKeys("notary", fetch=identity.fetch, clock=clock)
    await keys.caller(access(key))
    identity.keys = (generate_key(),)
    clock.now += timedelta(minutes=11)

    assert await keys.caller(access(key)) == OFFICER
    await keys._refreshing

    with pytest.raises(TokenInvalid):
        await keys.caller(access(key, now=clock.now))


def test_published_keys_hold_no_private_part(key, tmp_path):
    """A set with a private part is refused by its readers."""
    published = json.loads(public_jwks([key]))
    private = json.dumps({"keys": [key.as_dict(private=True)]})
    path = tmp_path / "signing.jwk"
    path.write_text(json.dumps(key.as_dict(private=True)))

    assert "d" not in published["keys"][0]
    assert published["keys"][0]["kid"] == read_key(path).kid
    for wrong in (private, "{}", "[]", "no", '{"keys": [{"kty": "oct", "k": "AA"}]}'):
        with pytest.raises(ValueError, match="JWK set"):
            parse_jwks(wrong)
