"""The clients of other services that the chassis creates for a service."""

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
def create_clients(harness, tmp_path):
    """Return a function that creates the clients of `notary`; its key is in the key folder."""
    key = generate_key()
    (tmp_path / "client.jwk").write_text(json.dumps(key.as_dict(private=True)))

    def create(**targets):
        settings = CallingSettings(**harness.settings.model_dump(exclude={"identity_target"}) | targets)
        clients = Clients("notary", settings)
        harness.channels.append(clients)
        return clients

    create.key = key
    return create


@pytest.fixture
async def identity(harness, create_clients):
    """Return the target of an identity service that issues tokens to `notary`."""
    service = identity_pb2.DESCRIPTOR.services_by_name["IdentityService"]
    server = harness.make([(service, Identity(harness.key, create_clients.key))])
    await server.start()
    yield f"127.0.0.1:{server.port}"
    await server.stop()


async def test_a_client_sends_the_services_own_token(harness, create_clients, identity):
    """The target comes from the settings; identity issues the token for the key in the key folder."""
    clients = create_clients(identity_target=identity, trial_target=harness.target)

    answer = await harness.rpc("Feed", clients.channel("trial"))(harness.request())

    assert answer.text == "notary"


async def test_there_is_one_channel_to_each_service(create_clients, identity):
    """A second client uses the channel of the first."""
    clients = create_clients(identity_target=identity, trial_target="127.0.0.1:9")

    assert clients.channel("trial") is clients.channel("trial")
    assert clients.channel("trial") is not clients.channel("identity")


async def test_closed_clients_refuse_calls(harness, create_clients, identity):
    """The channels to other services and the one to identity are closed."""
    clients = create_clients(identity_target=identity, trial_target=harness.target)
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
async def test_a_missing_target_is_named(create_clients, targets, other, message):
    """A service that calls another does not start without its target and that of identity."""
    with pytest.raises(ValueError, match=message):
        create_clients(**targets).channel(other)


async def test_identity_itself_fetches_no_keys(create_clients):
    """It has no target of identity."""
    assert create_clients().signing_keys is None
