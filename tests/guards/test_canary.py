"""No location holds personal data after journeys and failures."""

import pytest

from .locations import Locations

# Texts that each location must hold, so that an empty location does not pass for a clean one.
EXPECTED_TEXTS = {
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
def locations(actors, wire, completed):
    """All locations after the journey, a second one whose messages are captured, failing calls and invalid events."""
    locations = Locations(actors, wire, completed.journey)
    locations.fill()
    return locations


@pytest.fixture(scope="module")
def canaries(locations):
    return locations.canaries()


@pytest.mark.parametrize("location", EXPECTED_TEXTS)
def test_a_location_holds_no_personal_data(locations, canaries, location):
    """No national ID, mobile, name, address, code or token is in any of its texts."""
    findings = {
        place: found for place, text in locations.texts[location].items() if (found := canaries.find_in(text))
    }

    assert findings == {}


def test_no_refusal_is_a_fault(locations):
    """Each failing call has a reason of its own, also one that another service than the called one refuses."""
    places = list(locations.texts["errors"])

    faults = ("", "INTERNAL", "UNKNOWN", "UPSTREAM_REFUSED")
    assert [place for place in places if place.split(" of ")[0] in faults] == []
    assert [place for place in places if "NATIONAL_ID_INVALID of diwan.notary.v1" in place]


@pytest.mark.parametrize("location", EXPECTED_TEXTS)
def test_a_location_is_filled_and_searchable(locations, canaries, location):
    """It holds the expected texts, and a personal datum within its text would be found."""
    content = "\n".join([*locations.texts[location], *locations.texts[location].values()])

    assert [word for word in EXPECTED_TEXTS[location] if word not in content] == []
    for value in [*canaries.encoded_numbers, *canaries.codes, *canaries.words]:
        assert canaries.find_in(f"{content[:1000]} {value} {content[-1000:]}"), value
