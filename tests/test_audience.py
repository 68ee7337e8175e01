"""A token leaked by one service opens no other: each is good for the service that it was issued for, alone."""

from itertools import permutations

import pytest
from demo.calls import Refused
from demo.session import Session
from diwan.identity.v1 import identity_pb2 as identity
from diwan.notary.v1 import notary_pb2 as notary
from diwan.notification.v1 import notification_pb2 as notification
from diwan.payments.v1 import payments_pb2 as payments
from platform_table.load import platform

SERVICES = platform().services


def ask(platform, journey, service, session):
    """Ask a service for what the principal may see there."""
    case = journey.case.power_of_attorney_id
    rpc, request = {
        "identity": ("GetAccount", identity.GetAccountRequest(account_id=journey.principal.account_id)),
        "payments": ("GetPayment", payments.GetPaymentRequest(subject_id=case)),
        "notary": ("GetPowerOfAttorney", notary.GetPowerOfAttorneyRequest(power_of_attorney_id=case)),
        "notification": ("ListMessages", notification.ListMessagesRequest()),
    }[service]
    return platform.call(service, rpc, request, session)


def test_every_service_is_asked(world, session):
    """A service that is added has its token, and its place here."""
    assert set(session.access_tokens) == set(SERVICES) == set(world.targets)


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_takes_its_own_token(travelled, platform, session, service):
    """The one that the sign-in gave for it."""
    assert ask(platform, travelled.journey, service, session)


@pytest.mark.parametrize(("issued_for", "service"), [*permutations(SERVICES, 2)])
def test_a_service_takes_no_others_token(travelled, platform, session, issued_for, service):
    """A token for notary shown to payments is none, and so for every two."""
    shown = Session({service: session.token(issued_for)}, "")

    with pytest.raises(Refused) as refused:
        ask(platform, travelled.journey, service, shown)

    assert (refused.value.code, refused.value.reason) == ("UNAUTHENTICATED", "TOKEN_INVALID")
