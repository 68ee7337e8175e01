"""Clients of other services, as the chassis makes them for a service."""

import json

import pytest
from chassis.rpc.clients import Clients
from chassis.settings import ServiceSettings
from chassis.tokens import generate_key
from diwan.identity.v1 import identity_pb2
from pydantic_settings import SettingsConfigDict

from .conftest import Identity


class CallingSettings(ServiceSettings):
    """Settings of a service that calls the trial service."""

    model_config = SettingsConfigDict(env_prefix="NOTARY_")

    trial_target: str = ""


@pytest.fixture
def calling(harness, tmp_path):
    """Makes the clients of `notary`, whose own key is in its key folder; they are closed at the end."""
    key = generate_key()
    (tmp_path / "client.jwk").write_text(json.dumps(key.as_dict(private=True)))
    made = []

    def make(**targets):
        settings = CallingSettings(**harness.settings.model_dump(exclude={"identity_target"}) | targets)
        made.append(Clients("notary", settings))
        harness.channels.append(made[-1])
        return made[-1]

    make.key = key
    return make


@pytest.fixture
async def identity(harness, calling):
    """The target of an identity that issues tokens to `notary`, for the trial service to believe."""
    service = identity_pb2.DESCRIPTOR.services_by_name["IdentityService"]
    server = harness.make([(service, Identity(harness.key, calling.key))])
    await server.start()
    yield f"127.0.0.1:{server.port}"
    await server.stop()


async def test_a_client_sends_the_services_own_token(harness, calling, identity):
    """The target comes from the settings, the token from identity, for the client key in the key folder."""
    clients = calling(identity_target=identity, trial_target=harness.target)

    answer = await harness.rpc("Feed", clients.channel("trial"))(harness.request())

    assert answer.text == "notary"


async def test_one_channel_to_each_service(calling, identity):
    """A second wish for a client is met with the first one's channel."""
    clients = calling(identity_target=identity, trial_target="127.0.0.1:9")

    assert clients.channel("trial") is clients.channel("trial")
    assert clients.channel("trial") is not clients.channel("identity")


async def test_closed_clients_call_nobody(harness, calling, identity):
    """Closing closes the channels to other services and the one to identity."""
    clients = calling(identity_target=identity, trial_target=harness.target)
    rpc = harness.rpc("Feed", clients.channel("trial"))
    fetch = clients.signing_keys

    await clients.close()

    with pytest.raises(Exception, match="closed"):
        await rpc(harness.request())
    with pytest.raises(Exception, match="closed"):
        await fetch()


@pytest.mark.parametrize(
    ("targets", "other", "message"),
    [
        ({"identity_target": "127.0.0.1:9"}, "trial", "NOTARY_TRIAL_TARGET"),
        ({"identity_target": "127.0.0.1:9"}, "supply", "NOTARY_SUPPLY_TARGET"),
        ({"trial_target": "127.0.0.1:9"}, "trial", "no target of identity"),
    ],
)
async def test_a_missing_target_is_named(calling, targets, other, message):
    """A service that calls another needs its target, and identity's for the token; else it does not start."""
    with pytest.raises(ValueError, match=message):
        calling(**targets).channel(other)


async def test_identity_itself_fetches_no_keys(calling):
    """Without a target of identity there is nothing to fetch keys from."""
    assert calling().signing_keys is None
