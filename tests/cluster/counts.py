"""Counts of the results of journeys, read from the platform."""

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
class Journal:
    """The whole journal: entries by payment and kind, and ids of the entries that do not balance."""

    entries: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    unbalanced: list[str] = field(default_factory=list)


def read_journal(platform: Platform, auditor: Session | None) -> Journal:
    """Read all pages of the journal."""
    journal = Journal()
    token = ""
    while True:
        request = payments.ListLedgerEntriesRequest(page_size=500, page_token=token)
        page = platform.call("payments", "ListLedgerEntries", request, auditor)
        for entry in page.entries:
            journal.entries[entry.payment_id][entry.kind] += 1
            if sum(piastres(leg.amount) for leg in entry.legs):
                journal.unbalanced.append(entry.entry_id)
        token = page.next_page_token
        if not token:
            return journal


def messages(platform: Platform, auditor: Session | None, journey: Journey) -> Counter[tuple[str, str]]:
    """Count the messages of a journey by template and state."""
    request = notification.ListMessagesRequest(request_number=journey.case.number, page_size=200)
    listed = platform.call("notification", "ListMessages", request, auditor).messages
    return Counter(
        (each.template, notification.MessageState.Name(each.state).removeprefix("MESSAGE_STATE_"))
        for each in listed
    )


def texts_on_phone(journey: Journey) -> Counter[str]:
    """Count the texts on the principal's phone that name the case; those with codes do not."""
    texts = [str(message["text"]) for message in journey.principal.phone.messages()]
    return Counter(text for text in texts if journey.case.number in text)


def case_state(platform: Platform, journey: Journey) -> str:
    request = notary.VerifyPowerOfAttorneyRequest(
        number=journey.case.number, verification_code=journey.case.verification_code
    )
    answer = platform.call("notary", "VerifyPowerOfAttorney", request)
    return notary.PowerOfAttorneyState.Name(answer.state).removeprefix("POWER_OF_ATTORNEY_STATE_")


def duplicate_texts(journeys: Iterable[Journey]) -> dict[str, Counter[str]]:
    """Return, by case number, the texts that a phone received more than once."""
    extra = {journey.case.number: +(c := texts_on_phone(journey)) - Counter(set(c)) for journey in journeys}
    return {number: texts for number, texts in extra.items() if texts}
