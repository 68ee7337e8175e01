"""What journeys should have left, counted on the platform's side."""

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

from demo.calls import Platform
from demo.journey import Journey, piastres
from demo.session import Session
from diwan.notary.v1 import notary_pb2 as notary
from diwan.notification.v1 import notification_pb2 as notification
from diwan.payments.v1 import payments_pb2 as payments

ENTRIES = {"due": 1, "settled": 1, "earned": 1}
TEMPLATES = {
    "payment.due": 1,
    "payment.settled": 1,
    "power_of_attorney.issued": 1,
    "power_of_attorney.collected": 1,
}


@dataclass
class Books:
    """The whole journal: entries by payment and kind, and what does not balance."""

    entries: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    crooked: list[str] = field(default_factory=list)


def books(platform: Platform, auditor: Session | None) -> Books:
    """Read the journal to its end."""
    read = Books()
    token = ""
    while True:
        request = payments.ListLedgerEntriesRequest(page_size=500, page_token=token)
        page = platform.call("payments", "ListLedgerEntries", request, auditor)
        for entry in page.entries:
            read.entries[entry.payment_id][entry.kind] += 1
            if sum(piastres(leg.amount) for leg in entry.legs):
                read.crooked.append(entry.entry_id)
        token = page.next_page_token
        if not token:
            return read


def messages(platform: Platform, auditor: Session | None, journey: Journey) -> Counter[tuple[str, str]]:
    """The journey's messages by template and state."""
    request = notification.ListMessagesRequest(request_number=journey.case.number, page_size=200)
    listed = platform.call("notification", "ListMessages", request, auditor).messages
    return Counter(
        (each.template, notification.MessageState.Name(each.state).removeprefix("MESSAGE_STATE_"))
        for each in listed
    )


def on_the_phone(journey: Journey) -> Counter[str]:
    """What reached the principal's phone about the case, each text as often as it came; codes left out."""
    texts = [str(message["text"]) for message in journey.principal.phone.messages()]
    return Counter(text for text in texts if journey.case.number in text)


def state(platform: Platform, journey: Journey) -> str:
    request = notary.VerifyPowerOfAttorneyRequest(
        number=journey.case.number, verification_code=journey.case.verification_code
    )
    seen = platform.call("notary", "VerifyPowerOfAttorney", request)
    return notary.PowerOfAttorneyState.Name(seen.state).removeprefix("POWER_OF_ATTORNEY_STATE_")


def twice(journeys: Iterable[Journey]) -> dict[str, Counter[str]]:
    """Cases of which a phone got a text more than once."""
    found = {journey.case.number: +(c := on_the_phone(journey)) - Counter(set(c)) for journey in journeys}
    return {number: more for number, more in found.items() if more}
