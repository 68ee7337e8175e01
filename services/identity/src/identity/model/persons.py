"""The extract of the civil registry by which identity matches persons."""

from dataclasses import dataclass, replace
from datetime import datetime

from chassis.printable import NAME, fault, visible

from identity.model.arabic import has_letter, match_key
from identity.model.errors import NameInvalid, RecordConflict
from identity.model.national_id import GOVERNORATES, NationalId


@dataclass(frozen=True)
class PersonRecord:
    """The registry's record of a person.

    Attributes:
        sequence: position among the registry's events of this person, 0 if it has none.
        record_time: time of the registry's event.
    """

    person_id: str
    national_id: NationalId
    first_name: str
    mother_first_name: str
    full_name: str
    address: str
    governorate: str
    sequence: int
    record_time: datetime


@dataclass(frozen=True)
class Person:
    """A person of the extract, stored under the keyed hash of the national ID.

    Attributes:
        person_key: keyed hash of the national ID.
        person_id: the registry's opaque id.
        first_name_key: normalised for comparison.
        mother_name_key: normalised for comparison.
        governorate: of residence, two digits; empty if the record has none.
        sequence, record_time: of the stored record; an older record that arrives later is ignored.
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
    record_time: datetime

    def matches(self, first_name: str, mother_first_name: str) -> bool:
        """Whether the names are this person's, in any usual spelling."""
        first = self.is_called(first_name)
        mother = match_key(mother_first_name) == self.mother_name_key
        return first and mother

    def is_called(self, first_name: str) -> bool:
        """Whether the first name is this person's, in any usual spelling."""
        return match_key(first_name) == self.first_name_key


def register(existing: Person | None, record: PersonRecord, person_key: str, now: datetime) -> Person:
    """The person after a record of the registry; an older record changes nothing.

    Raises:
        RecordConflict: the national ID is another person's, or the governorate does not exist.
        NameInvalid: a name has no letter, or cannot be printed.
    """
    if existing is not None and existing.person_id != record.person_id:
        raise RecordConflict(what="person_id")
    if not (has_letter(record.first_name) and has_letter(record.mother_first_name)):
        raise NameInvalid
    for name in ("first_name", "mother_first_name", "full_name"):
        if why := fault(visible(getattr(record, name)), NAME):
            raise NameInvalid(what=name, why=why)
    if record.governorate and record.governorate not in GOVERNORATES:
        raise RecordConflict(what="governorate")
    version = (record.sequence, record.record_time)
    if existing is not None and version < (existing.sequence, existing.record_time):
        return existing
    person = Person(
        person_key=person_key,
        person_id=record.person_id,
        national_id=record.national_id.digits,
        first_name_key=match_key(record.first_name),
        mother_name_key=match_key(record.mother_first_name),
        full_name=" ".join(visible(record.full_name).split()),
        address=" ".join(visible(record.address).split()),
        governorate=record.governorate,
        registered_at=now,
        sequence=record.sequence,
        record_time=record.record_time,
    )
    return person if existing is None else replace(person, registered_at=existing.registered_at)
