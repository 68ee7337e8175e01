"""Officers of the state: clerks, reviewers, administrators."""

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import datetime

from chassis.domain import Outcome

from identity.model.accounts import mobile_number
from identity.model.errors import (
    FirstMustBeAdministrator,
    OfficeRequired,
    OwnRights,
    RoleNotHeld,
    StaffNumberTaken,
)
from identity.model.facts import Fact, OfficerRegistered, OfficerRolesEnded, RevocationReason
from identity.model.revocations import of_holder

ADMINISTRATOR = "administrator"
CLERK = "clerk"


@dataclass(frozen=True)
class EndedRoles:
    """Roles that an administrator ended, with the reason; kept for audit."""

    roles: tuple[str, ...]
    ended_by: str
    reason: str
    time: datetime


@dataclass(frozen=True)
class Officer:
    """An officer.

    Attributes:
        officer_id: a UUID derived from the staff number, so that staff numbers are unique.
        person_key: keyed hash of the officer's own national ID, by which own cases are refused.
        mobile_key: keyed hash, unique among officers; without a role the officer's id, so that the mobile is free.
        roles: current roles; an officer without one cannot sign in.
        first: registered by the operator, as the first administrator.
        ended: roles that were ended, at most as many entries as there are roles, because none is given back.
        revoke_time: sessions started until then have ended; None if none was ended so.
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
    ended: tuple[EndedRoles, ...] = ()
    revoke_time: datetime | None = None

    def sign_out_everywhere(self, now: datetime) -> Outcome["Officer", Fact]:
        """End all sessions of the officer."""
        revoked = of_holder(self.officer_id, RevocationReason.SIGNED_OUT_EVERYWHERE, now)
        return Outcome(replace(self, revoke_time=now), (revoked,))

    def end_roles(
        self, roles: Collection[str], administrator: "Officer", reason: str, now: datetime
    ) -> Outcome["Officer", Fact]:
        """End roles, and with them all sessions.

        Raises:
            OwnRights: the officer is the administrator, with this or another staff number.
            RoleNotHeld: the officer does not have one of the roles.
        """
        if administrator.person_key == self.person_key:
            raise OwnRights
        for role in roles:
            if role not in self.roles:
                raise RoleNotHeld(role=role)
        ended = tuple(sorted(roles))
        remaining = tuple(role for role in self.roles if role not in ended)
        changed = replace(
            self,
            roles=remaining,
            ended=(*self.ended, EndedRoles(ended, administrator.officer_id, reason, now)),
            mobile_key=self.mobile_key if remaining else self.officer_id,
            revoke_time=now,
        )
        facts = (
            OfficerRolesEnded(self.officer_id, ended, remaining, administrator.officer_id),
            of_holder(self.officer_id, RevocationReason.ROLES_ENDED, now),
        )
        return Outcome(changed, facts)


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
    existing: Officer | None, form: OfficerForm, administrator: Officer | None, now: datetime
) -> Outcome[Officer, Fact]:
    """Register an officer; without an administrator, the first one.

    Raises:
        OwnRights: the officer would be the administrator themselves, with another staff number.
        StaffNumberTaken: an officer with this staff number exists.
        FirstMustBeAdministrator: the first officer has another role.
        OfficeRequired: a clerk has no office.
    """
    if administrator is not None and administrator.person_key == form.person_key:
        raise OwnRights
    if existing is not None:
        raise StaffNumberTaken
    first = administrator is None
    registered_by = administrator.officer_id if administrator is not None else ""
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
