"""Officers of the state: clerks, reviewers, administrators."""

from dataclasses import dataclass
from datetime import datetime

from chassis.domain import Outcome

from identity.model.accounts import mobile_number
from identity.model.errors import FirstMustBeAdministrator, OfficeRequired, StaffNumberTaken
from identity.model.facts import Fact, OfficerRegistered

ADMINISTRATOR = "administrator"
CLERK = "clerk"


@dataclass(frozen=True)
class Officer:
    """An officer.

    Attributes:
        officer_id: a UUID derived from the staff number, so that staff numbers are unique.
        person_key: keyed hash of the officer's own national ID, by which own cases are refused.
        mobile_key: keyed hash, unique among officers.
        first: registered by the operator, as the first administrator.
    """

    officer_id: str
    staff_number: str
    person_key: str
    mobile: str
    mobile_key: str
    roles: tuple[str, ...]
    office_id: str
    registered_by: str
    registered_at: datetime
    first: bool


@dataclass(frozen=True)
class OfficerForm:
    """An officer's data as entered by the registrar, with the keyed hashes."""

    officer_id: str
    staff_number: str
    person_key: str
    mobile: str
    mobile_key: str
    roles: tuple[str, ...]
    office_id: str


def register_officer(
    existing: Officer | None, form: OfficerForm, registered_by: str, now: datetime
) -> Outcome[Officer, Fact]:
    """Register an officer; with an empty `registered_by`, the first administrator.

    Raises:
        StaffNumberTaken: an officer with this staff number exists.
        FirstMustBeAdministrator: the first officer has another role.
        OfficeRequired: a clerk has no office.
    """
    if existing is not None:
        raise StaffNumberTaken
    first = not registered_by
    if first and ADMINISTRATOR not in form.roles:
        raise FirstMustBeAdministrator
    if CLERK in form.roles and not form.office_id:
        raise OfficeRequired
    officer = Officer(
        officer_id=form.officer_id,
        staff_number=form.staff_number,
        person_key=form.person_key,
        mobile=mobile_number(form.mobile),
        mobile_key=form.mobile_key,
        roles=tuple(sorted(form.roles)),
        office_id=form.office_id,
        registered_by=registered_by,
        registered_at=now,
        first=first,
    )
    fact = OfficerRegistered(officer.officer_id, officer.roles, officer.office_id, registered_by)
    return Outcome(officer, (fact,))
