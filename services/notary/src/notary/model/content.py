"""The content of a power of attorney, its digest, and the numbers and masks derived from it."""

import hashlib
import json
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from chassis.printable import NAME, TERM, fault

from notary.model.errors import AgentIsPrincipal, NameUnprintable, SpecialTermInvalid

CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
"""Base32 without I, L, O and U, which are easily misread in print."""

CONTENT_VERSION = "diwan.notary.power_of_attorney/1"
"""Version of the serialisation that is digested; another serialisation needs another name."""

NUMBER_LETTERS = 8
VERIFICATION_CODE_LETTERS = 12
MASK = "***"
_JOINERS = {
    "\u200c",
    "\u200d",
}  # needed between Arabic letters; other invisible marks can reverse the direction of text


class Kind(Enum):
    """The kinds of power of attorney."""

    GENERAL = "general"
    SPECIAL = "special"
    BANK = "bank"
    VEHICLE_SALE = "vehicle_sale"
    LAWSUITS = "lawsuits"


@dataclass(frozen=True)
class Party:
    """Principal or agent, with identity's data of the day of the draft."""

    account_id: str
    person_id: str
    full_name: str
    national_id: str


@dataclass(frozen=True)
class Content:
    """The exact content that the principal confirms."""

    draft_id: str
    kind: Kind
    principal: Party
    agent: Party
    governorate: str
    terms: tuple[str, ...]
    special_terms: tuple[str, ...]

    def check(self) -> None:
        """Raise AgentIsPrincipal, NameUnprintable or SpecialTermInvalid if the content is not valid."""
        if (
            self.agent.person_id == self.principal.person_id
            or self.agent.account_id == self.principal.account_id
        ):
            raise AgentIsPrincipal
        # Before the fee is paid: the renderer would refuse the approved document.
        for party in ("principal", "agent"):
            if why := fault(getattr(self, party).full_name, NAME):
                raise NameUnprintable(party=party, why=why)
        for position, term in enumerate(self.special_terms):
            if not is_plain_arabic(term) or fault(term, TERM):
                raise SpecialTermInvalid(position=str(position))

    def canonical(self) -> bytes:
        """The one serialisation that is digested: sorted JSON without blanks, UTF-8, nothing normalised."""
        fields = {
            "version": CONTENT_VERSION,
            "draft_id": self.draft_id,
            "kind": self.kind.value,
            "principal": _party_fields(self.principal),
            "agent": _party_fields(self.agent),
            "governorate": self.governorate,
            "terms": list(self.terms),
            "special_terms": list(self.special_terms),
        }
        return json.dumps(fields, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()

    def digest(self) -> str:
        """SHA-256 of the canonical form, 64 hex digits."""
        return hashlib.sha256(self.canonical()).hexdigest()


def _party_fields(party: Party) -> dict[str, str]:
    return {
        "account_id": party.account_id,
        "person_id": party.person_id,
        "full_name": party.full_name,
        "national_id": party.national_id,
    }


def is_plain_arabic(text: str) -> bool:
    """Whether the text has an Arabic letter, and no invisible character or direction mark."""
    if any(unicodedata.category(letter)[0] == "C" and letter not in _JOINERS for letter in text):
        return False
    return any("\u0620" <= letter <= "\u064a" or "\u066e" <= letter <= "\u06d3" for letter in text)


def number_of(draft_id: str, year: int, attempt: int = 0) -> str:
    """The number of request and document, `PA-2026-7Q4M2K9D`, from the id; each attempt gives another."""
    seed = draft_id if attempt == 0 else f"{draft_id}/{attempt}"
    value = int.from_bytes(hashlib.sha256(seed.encode()).digest()[:5])
    return f"PA-{year:04d}-{crockford(value, NUMBER_LETTERS)}"


def crockford(value: int, letters: int) -> str:
    """The lowest `5 * letters` bits of a value, written in Crockford's base32."""
    return "".join(CROCKFORD[(value >> 5 * place) & 31] for place in reversed(range(letters)))


def masked_name(name: str) -> str:
    """The first letter of each word of a name, each with a mask of constant length."""
    return " ".join(word[0] + MASK for word in name.split())


def service_of(kind: Kind) -> str:
    """The service's name in the tariff."""
    return f"notary.power_of_attorney.{kind.value}"


@dataclass(frozen=True)
class Office:
    """A notary office: its id, its Arabic name, its governorate (two digits)."""

    id: str
    name: str
    governorate: str


def office_for(draft_id: str, offices: Sequence[Office]) -> Office:
    """The office where a document will be collected: one of `offices`, chosen by a hash of the id, always the same.

    Raises:
        IndexError: there is no office to choose from.
    """
    ordered = sorted(offices, key=lambda office: office.id)
    if not ordered:
        raise IndexError("no office to choose from")
    return ordered[int.from_bytes(hashlib.sha256(draft_id.encode()).digest()[8:16]) % len(ordered)]
