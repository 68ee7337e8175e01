"""Access tokens are valid for one audience: a token that one service leaks is refused by all others."""

from itertools import permutations

import pytest
from demo.calls import Refused
from demo.session import Session
from platform_table.load import platform

from .guards.scenarios import PRINCIPAL_CALLS

SERVICES = platform().services


def read_own_data(platform, journey, service, session):
    """Call an RPC of the service that the principal may call."""
    rpc, request = PRINCIPAL_CALLS[service](journey)
    return platform.call(service, rpc, request, session)


def test_every_service_has_a_principal_call():
    """Its module of scenarios defines it."""
    assert set(PRINCIPAL_CALLS) == set(SERVICES)


def test_a_sign_in_issues_a_token_for_every_service(environment, session):
    """A new service must be in the answer to a sign-in and in this test."""
    assert set(session.access_tokens) == set(SERVICES) == set(environment.targets)


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_accepts_its_own_token(completed, platform, session, service):
    """The access token that the sign-in issued for it."""
    assert read_own_data(platform, completed.journey, service, session)


@pytest.mark.parametrize(("issued_for", "service"), [*permutations(SERVICES, 2)])
def test_a_service_refuses_a_token_of_another_service(completed, platform, session, issued_for, service):
    """Every pair of services is tried in both directions."""
    other = Session({service: session.token(issued_for)}, "")

    with pytest.raises(Refused) as refused:
        read_own_data(platform, completed.journey, service, other)

    assert (refused.value.code, refused.value.reason) == ("UNAUTHENTICATED", "TOKEN_INVALID")
