"""Nobody's personal data come to light, in whatever place and dress, after journeys and all that can go wrong."""

import pytest

from .locations import Locations

# What stands in each place for sure, so that an empty place is not taken for a clean one.
WITNESSES = {
    "logs": ["request_number", "rpc", "CODE_TOO_SOON", "message rejected"],
    "spans": [
        "send identity.commands",
        "submit_sm",
        "DraftPowerOfAttorney",
        "process acquirer.payments.charge",
    ],
    "messages": [
        "PowerOfAttorneyCollected",
        "PaymentRefused",
        "AccountEnrolled",
        "OfficerRegistered",
        "message.send.v1",
        "charge.request.v1",
        "person.registered.v1",
        "message.receipted.v1",
        "traceparent",
    ],
    "names at the broker": ["notification.notary.power_of_attorney", "sms.notification.message.retry.1"],
    "errors": [
        "AGENT_NOT_MATCHED",
        "CODE_LOCKED",
        "FEE_NOT_PUBLISHED",
        "MOBILE_TAKEN",
        "string.national_id",
    ],
    "metrics": ["rpc_server_call_duration_seconds", "diwan_policy_events"],
    "parked": ["SEALED_FIELD_UNREADABLE", "RECORD_CONFLICT", "TYPE_UNKNOWN", "INVALID", "***"],
}


@pytest.fixture(scope="module")
def locations(actors, wire, travelled):
    """All locations, after the journey, a second one that the tap heard, wrong calls and broken events."""
    made = Locations(actors, wire, travelled.journey)
    made.fill()
    return made


@pytest.fixture(scope="module")
def canaries(locations):
    return locations.canaries()


@pytest.mark.parametrize("place", WITNESSES)
def test_nothing_personal_comes_to_light(locations, canaries, place):
    """No national ID, mobile, name, address, code or token stands in any text of the place."""
    found = {
        where: seen for where, text in locations.texts[place].items() if (seen := canaries.found_in(text))
    }

    assert found == {}


@pytest.mark.parametrize("place", WITNESSES)
def test_the_place_is_where_things_are_told(locations, canaries, place):
    """The place holds what it should, and a datum that somebody left in it would be found."""
    said = "\n".join([*locations.texts[place], *locations.texts[place].values()])

    assert [word for word in WITNESSES[place] if word not in said] == []
    for value in [*canaries.acted, *canaries.codes, *canaries.words]:
        assert canaries.found_in(f"{said[:1000]} {value} {said[-1000:]}"), value
