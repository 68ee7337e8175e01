"""Tokens, confirmations and assertions, and the keys to check them with."""

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
    """A token with other claims or another header, properly signed all the same."""
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


def test_a_token_says_who_calls(key):
    """Whoever is signed in is whoever is read out."""
    assert verify_access(access(key), key_set(key), "notary", NOW) == OFFICER


def test_a_services_token_says_for_whom_it_acts(key):
    """`act` is the account, beside the service that calls."""
    caller = Caller(kind=Kind.SERVICE, id="notary", acting_for="a-1")

    assert verify_access(access(key, caller), key_set(key), "notary", NOW) == caller


@pytest.mark.parametrize(("seconds", "good"), [(0, True), (900 + 29, True), (900 + 31, False)])
def test_a_token_ends_after_15_minutes_give_or_take_30_seconds(key, seconds, good):
    """Clocks may differ by half a minute, not more."""
    token, later = access(key), NOW + timedelta(seconds=seconds)

    if good:
        assert verify_access(token, key_set(key), "notary", later)
    else:
        with pytest.raises(TokenExpired):
            verify_access(token, key_set(key), "notary", later)


def test_a_token_from_the_future_is_none(key):
    """Issued later than our clock and the tolerance say: somebody's clock or honesty is off."""
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
def test_a_signed_token_with_a_wrong_claim_is_none(key, changes):
    """A signature alone is not enough: each claim must be there and fit."""
    with pytest.raises(TokenInvalid):
        verify_access(forged(key, **changes), key_set(key), "notary", NOW)


def encoded(part):
    data = part if isinstance(part, bytes) else json.dumps(part).encode()
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


@pytest.mark.parametrize("algorithm", ["none", "HS256"])
def test_only_es256_is_read(key, algorithm):
    """The algorithm is ours to choose, not the token's: neither none nor our public key as a shared secret."""
    head, body, _ = access(key).split(".")
    changed = {**json.loads(base64.urlsafe_b64decode(head + "==")), "alg": algorithm}
    signed = f"{encoded(changed)}.{body}"
    public = key.as_pem(private=False)
    signature = hmac.new(public, signed.encode(), hashlib.sha256).digest() if algorithm == "HS256" else b""

    with pytest.raises(TokenInvalid):
        verify_access(f"{signed}.{encoded(signature)}", key_set(key), "notary", NOW)


@pytest.mark.parametrize("token", ["", "a.b", "...", "é.b.c", "e30.e30.", "W10.e30.e30", "x" * 5000])
def test_what_is_no_token_is_refused_as_one(key, token):
    """Whatever a caller sends, the answer is the same."""
    with pytest.raises(TokenInvalid):
        verify_access(token, key_set(key), "notary", NOW)


def test_an_altered_token_is_none(key):
    """One letter changed, and the signature is void."""
    head, body, signature = access(key).split(".")
    altered = body[:10] + ("A" if body[10] != "A" else "B") + body[11:]

    with pytest.raises(TokenInvalid):
        verify_access(f"{head}.{altered}.{signature}", key_set(key), "notary", NOW)


def test_one_sort_of_token_is_not_another(key):
    """A confirmation or an assertion is no access token, though the same key signed it."""
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


def test_an_assertion_proves_a_client_for_a_minute(key):
    """It names the client, is signed with the client's key, ends soon, and brings its id to be used once."""
    assertion = sign_assertion(key, "payments", NOW, "j-9")

    assert claimed_client(assertion) == "payments"
    jti, ends = verify_assertion(assertion, key_set(key), "payments", NOW)
    assert (jti, ends) == ("j-9", NOW + timedelta(seconds=60))
    with pytest.raises(TokenInvalid):
        verify_assertion(assertion, key_set(key), "notary", NOW)
    with pytest.raises(TokenExpired):
        verify_assertion(assertion, key_set(key), "payments", NOW + timedelta(minutes=2))
    with pytest.raises(TokenInvalid):
        verify_assertion(assertion, key_set(generate_key()), "payments", NOW)


def test_an_assertion_of_an_hour_is_none(key):
    """A client may not sign itself more than a minute."""
    long = forged(
        key,
        {"typ": "client-authentication+jwt"},
        iss="payments",
        sub="payments",
        aud="diwan.identity",
        exp=int(NOW.timestamp()) + 3600,
    )

    with pytest.raises(TokenInvalid):
        verify_assertion(long, key_set(key), "payments", NOW)


def confirmation(key, **changes):
    values = {"account": "a-1", "purpose": "notary.submit", "digest": DIGEST, "audience": "notary"}
    return sign_confirmation(key, **(values | changes), now=NOW, jti="c-1")


async def test_a_confirmation_is_of_exactly_one_content(key):
    """Account, purpose and digest must all be those confirmed."""
    keys = TokenKeys.own("notary", key, clock=lambda: NOW)

    read = await keys.confirmation(confirmation(key), purpose="notary.submit", digest=DIGEST, account="a-1")

    assert (read.jti, read.expires_at) == ("c-1", NOW + timedelta(minutes=5))


@pytest.mark.parametrize(
    "changes",
    [{"account": "a-2"}, {"purpose": "notary.revoke"}, {"digest": "cd" * 32}, {"audience": "payments"}],
)
async def test_a_confirmation_of_something_else_is_refused(key, changes):
    """One letter of the content changed, and it is void."""
    keys = TokenKeys.own("notary", key, clock=lambda: NOW)

    with pytest.raises(ConfirmationInvalid):
        await keys.confirmation(
            confirmation(key, **changes), purpose="notary.submit", digest=DIGEST, account="a-1"
        )


async def test_a_confirmation_ends_after_five_minutes(key):
    """Later it is refused, with a reason that says to confirm again."""
    keys = TokenKeys.own("notary", key, clock=lambda: NOW + timedelta(minutes=6))

    with pytest.raises(ConfirmationExpired):
        await keys.confirmation(confirmation(key), purpose="notary.submit", digest=DIGEST, account="a-1")


@pytest.mark.parametrize("token", ["", "nonsense", "a.b.c"])
async def test_what_is_no_confirmation_is_refused_as_such(key, token):
    """Not as a wrong access token: it is a field of the request."""
    keys = TokenKeys.own("notary", key, clock=lambda: NOW)

    with pytest.raises(ConfirmationInvalid):
        await keys.confirmation(token, purpose="notary.submit", digest=DIGEST, account="a-1")


class Identity:
    """Publishes keys, or is down."""

    def __init__(self, *keys):
        self.keys, self.down, self.asked = keys, False, 0

    async def fetch(self):
        self.asked += 1
        await asyncio.sleep(0)
        if self.down:
            raise ConnectionError
        return public_jwks(self.keys)


class Clock:
    def __init__(self):
        self.now = NOW

    def __call__(self):
        return self.now


async def test_keys_are_asked_for_when_first_needed_once_for_a_crowd(key):
    """Twenty tokens at once are one question."""
    identity = Identity(key)
    keys = TokenKeys("notary", fetch=identity.fetch, clock=Clock())

    callers = await asyncio.gather(*(keys.caller(access(key)) for _ in range(20)))

    assert set(callers) == {OFFICER}
    assert identity.asked == 1


async def test_kept_keys_serve_while_identity_is_down(key, tmp_path):
    """A service starts again without identity, with what it kept."""
    path = tmp_path / "state" / "identity.jwks"
    await TokenKeys("notary", path=path, fetch=Identity(key).fetch, clock=Clock()).refresh()
    down = Identity(key)
    down.down = True

    keys = TokenKeys("notary", path=path, fetch=down.fetch, clock=Clock())

    assert await keys.caller(access(key)) == OFFICER
    assert '"d"' not in path.read_text()


async def test_without_any_key_nobody_is_refused_for_their_token(key):
    """We cannot check: that is our trouble (UNAVAILABLE), not the token's."""
    identity = Identity(key)
    identity.down = True

    with pytest.raises(KeysUnavailable):
        await TokenKeys("notary", fetch=identity.fetch, clock=Clock()).caller(access(key))


async def test_a_broken_file_of_kept_keys_is_fetched_anew(key, tmp_path):
    """Half a file is no reason to stay down."""
    path = tmp_path / "identity.jwks"
    path.write_text('{"keys": [')

    keys = TokenKeys("notary", path=path, fetch=Identity(key).fetch, clock=Clock())

    assert await keys.caller(access(key)) == OFFICER


async def test_an_unknown_key_is_asked_for_but_not_each_time(key):
    """A new key is found; a thousand forged ids are one question in ten seconds."""
    new, clock, identity = generate_key(), Clock(), Identity(key)
    keys = TokenKeys("notary", fetch=identity.fetch, clock=clock)
    await keys.caller(access(key))

    for _ in range(1000):
        with pytest.raises(TokenInvalid):
            await keys.caller(access(new))
    assert identity.asked == 1
    identity.keys = (key, new)
    clock.now += timedelta(seconds=11)

    assert await keys.caller(access(new)) == OFFICER
    assert identity.asked == 2


async def test_a_withdrawn_key_goes_away(key):
    """Kept keys are asked for again after ten minutes, beside the calls."""
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
    """What leaves identity is public; a set with a private part is refused by those who read it."""
    published = json.loads(public_jwks([key]))
    private = json.dumps({"keys": [key.as_dict(private=True)]})
    path = tmp_path / "signing.jwk"
    path.write_text(json.dumps(key.as_dict(private=True)))

    assert "d" not in published["keys"][0]
    assert published["keys"][0]["kid"] == read_key(path).kid
    for wrong in (private, "{}", "[]", "no", '{"keys": [{"kty": "oct", "k": "AA"}]}'):
        with pytest.raises(ValueError, match="JWK set"):
            parse_jwks(wrong)
