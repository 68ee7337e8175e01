"""Use cases: load, decide, save; one function for each command."""

from identity.commands.confirm import complete_confirmation, start_confirmation
from identity.commands.enrol import complete_enrolment, enrol_at_counter, start_enrolment
from identity.commands.extract import register_person
from identity.commands.officers import end_roles, register_officer
from identity.commands.services import issue_service_token
from identity.commands.sign_in import complete_sign_in, refresh, sign_out, start_sign_in
from identity.commands.sign_out_everywhere import sign_out_everywhere

__all__ = [
    "complete_confirmation",
    "complete_enrolment",
    "complete_sign_in",
    "end_roles",
    "enrol_at_counter",
    "issue_service_token",
    "refresh",
    "register_officer",
    "register_person",
    "sign_out",
    "sign_out_everywhere",
    "start_confirmation",
    "start_enrolment",
    "start_sign_in",
]
