"""The matching extract: what identity keeps of the civil registry to recognise a person."""

from dataclasses import dataclass, replace
from datetime import datetime

from identity.model.arabic import has_letter, match_key
from identity.model.errors import NameInvalid, RecordConflict
from identity.model.national_id import GOVERNORATES, NationalId


@dataclass(frozen=True)
class PersonRecord:
    """A person as the registry tells of them.

    Attributes:
        sequence: its place among what the registry tells of this person, 0 if it does not say.
        told_at: when the registry told it.
    """

    person_id: str
    national_id: NationalId
    first_name: str
    mother_first_name: str
    full_name: str
    address: str
    governorate: str
    sequence: int
    told_at: datetime


@dataclass(frozen=True)
class Person:
    """A person of the extract, kept under the keyed hash of the national ID.

    Attributes:
        person_key: keyed hash of the national ID.
        person_id: the registry's opaque id.
        first_name_key: normalised for comparison.
        mother_name_key: normalised for comparison.
        governorate: of residence, two digits; empty when the registry does not say.
        sequence, told_at: of the registry's record that is kept; an older one that comes late is passed over.
    """

    person_key: str
    person_id: str
    national_id: str
    first_name_key: str
    mother_name_key: str
    full_name: str
    address: str
    governorate: str
    registered_at: datetime
    sequence: int
    told_at: datetime

    def matches(self, first_name: str, mother_first_name: str) -> bool:
        """Whether the names are this person's, by any usual spelling."""
        first = self.is_called(first_name)
        mother = match_key(mother_first_name) == self.mother_name_key
        return first and mother

    def is_called(self, first_name: str) -> bool:
        """Whether the first name is this person's, by any usual spelling."""
        return match_key(first_name) == self.first_name_key


def register(kept: Person | None, record: PersonRecord, person_key: str, now: datetime) -> Person:
    """Keep a person of the registry, or what is new about one that is kept: what is older changes nothing.

    RecordConflict: the national ID is another person's. NameInvalid: a name with nothing to compare.
    """
    if kept is not None and kept.person_id != record.person_id:
        raise RecordConflict(what="person_id")
    if not (has_letter(record.first_name) and has_letter(record.mother_first_name)):
        raise NameInvalid
    if record.governorate and record.governorate not in GOVERNORATES:
        raise RecordConflict(what="governorate")
    if kept is not None and (record.sequence, record.told_at) < (kept.sequence, kept.told_at):
        return kept
    person = Person(
        person_key=person_key,
        person_id=record.person_id,
        national_id=record.national_id.digits,
        first_name_key=match_key(record.first_name),
        mother_name_key=match_key(record.mother_first_name),
        full_name=" ".join(record.full_name.split()),
        address=" ".join(record.address.split()),
        governorate=record.governorate,
        registered_at=now,
        sequence=record.sequence,
        told_at=record.told_at,
    )
    return person if kept is None else replace(person, registered_at=kept.registered_at)
