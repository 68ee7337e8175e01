"""A signed-out session is refused by identity at once and by all services within seconds; so is an ended role."""

import uuid

import pytest
from demo.session import Session
from diwan.identity.v1 import identity_pb2 as identity
from diwan.payments.v1 import payments_pb2 as payments
from platform_table.load import platform

from .probes import wait_for
from .scenarios import PRINCIPAL_CALLS, SCENARIOS
from .wire import Refusal, rpcs

IDENTITY = "diwan.identity.v1.IdentityService."
PUBLISH = "diwan.payments.v1.PaymentService.PublishTariff"
REVOKED = ("UNAUTHENTICATED", "TOKEN_REVOKED")
SECONDS = 30
"""Bound of the wait; the spread usually takes about a second."""


def calls(actors, completed):
    """Return the full name and request of an RPC of each service that a citizen may call."""
    made = {name: PRINCIPAL_CALLS[name](completed.journey) for name in platform().services}
    by_name = {full.rpartition(".")[2]: full for full in rpcs()}
    return {name: (by_name[rpc], request) for name, (rpc, request) in made.items()}


def outcome(wire, call, session, service):
    """Return code and reason of a refusal, or OK."""
    rpc, request = call
    answer = wire.call(rpc, request, session.token(service), program=service)
    return (answer.code, answer.reason) if isinstance(answer, Refusal) else ("OK", "")


@pytest.mark.parametrize("rpc", ["SignOut", "SignOutEverywhere"])
def test_a_signed_out_token_is_refused_everywhere(actors, wire, completed, rpc):
    """Tokens of all services are in force before, and those of another citizen afterwards."""
    citizen, other = actors.signed_in_citizen(), actors.signed_in_citizen()
    by_service = calls(actors, completed)
    for service, call in by_service.items():
        assert outcome(wire, call, citizen.session, service) != REVOKED

    message = {"SignOut": identity.SignOutRequest, "SignOutEverywhere": identity.SignOutEverywhereRequest}[
        rpc
    ]
    request = message(request_id=str(uuid.uuid4()), refresh_token=citizen.session.refresh_token)
    assert not isinstance(wire.call(IDENTITY + rpc, request), Refusal)

    assert outcome(wire, by_service["identity"], citizen.session, "identity") == REVOKED
    for service, call in by_service.items():
        wait_for(
            f"the refusal by {service}",
            lambda s=service, c=call: outcome(wire, c, citizen.session, s) == REVOKED,
            SECONDS,
        )
        assert outcome(wire, call, other.session, service) != REVOKED


def test_a_stolen_refresh_token_ends_the_access_tokens_of_the_thief(actors, wire, completed):
    """The owner's next refresh shows the theft; the thief's newer tokens are refused like the owner's."""
    owner = actors.signed_in_citizen()
    stolen = owner.session.refresh_token
    thief = Session.of(
        actors.platform.call("identity", "RefreshToken", identity.RefreshTokenRequest(refresh_token=stolen))
    )

    request = identity.RefreshTokenRequest(request_id=str(uuid.uuid4()), refresh_token=stolen)
    assert wire.call(IDENTITY + "RefreshToken", request).reason == "SESSION_ENDED"

    for service, call in calls(actors, completed).items():
        wait_for(
            f"the refusal by {service}",
            lambda s=service, c=call: outcome(wire, c, thief, s) == REVOKED,
            SECONDS,
        )


def test_a_tariff_manager_whose_role_has_ended_publishes_nothing(actors, wire):
    """The next call is refused, without waiting for the event: identity verifies each one."""
    manager = actors.new_officer("tariff_manager")
    token = manager.session.token("payments")
    scenario = SCENARIOS[PUBLISH](actors)
    assert isinstance(wire.call(PUBLISH, scenario.request, token), payments.Tariff)
    end = identity.EndRolesRequest(
        request_id=str(uuid.uuid4()), officer_id=manager.officer_id, roles=["tariff_manager"], reason="moved"
    )
    actors.platform.call("identity", "EndRoles", end, actors.administrator())

    again = SCENARIOS[PUBLISH](actors)
    refused = wire.call(PUBLISH, again.request, token)

    assert (refused.code, refused.reason) == REVOKED
    assert again.effect() != again.once
