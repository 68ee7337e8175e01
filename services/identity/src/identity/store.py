"""Identity's collections and their indexes. No other module handles documents.

National IDs, mobiles and staff numbers are looked up by keyed hashes and by ids derived from them: no index contains
personal data, because a duplicate-key error would expose it.
"""

from dataclasses import dataclass

from chassis.access_log import AccessLog
from chassis.store import Aggregates, Database, Index, Limits, dataclass_codec

from identity.model.accounts import Account, Enrolment
from identity.model.administrators import Administrators
from identity.model.codes import Throttle
from identity.model.confirmations import Confirmation
from identity.model.officers import Officer
from identity.model.persons import Person
from identity.model.records import UsedAssertion
from identity.model.sessions import Session

SCHEMA_VERSION = 1
MOBILE = "mobile"
FIRST = "first"
PERSON = "person"
ADMINISTRATORS = "administrators"
"""Id of the one document of its collection."""

_FORGET = Index(name="forget", keys=[("state.forget_time", 1)], expire_after_seconds=0)
_MOBILE = Index(name=MOBILE, keys=[("state.mobile_key", 1)], unique=True)
_PERSON = Index(name=PERSON, keys=[("state.person_id", 1)], unique=True)
# At most one officer is registered by the operator: the second of two concurrent requests violates this index.
_FIRST = Index(name=FIRST, keys=[("state.first", 1)], unique=True, where={"state.first": True})


@dataclass(frozen=True)
class Store:
    """Identity's collections.

    Attributes:
        persons: the matching extract, by keyed hash of the national ID.
        accounts: by an id derived from the national ID, so that a person has at most one.
        officers: by an id derived from the staff number, so that it is unique.
        administrators: one document, which orders the ends of administrators' roles.
        enrolments: deleted after a day.
        sessions: from sign-in to sign-out; deleted a day after a sign-out, else with the device's token after 90 days.
        confirmations: deleted after a day.
        throttles: times of code requests, by keyed hash of the subject, deleted after a day.
        assertions: used client assertions, deleted after their expiry.
        access_log: reads of accounts by services, with the purpose; deleted after their retention.
    """

    persons: Aggregates[Person]
    accounts: Aggregates[Account]
    officers: Aggregates[Officer]
    administrators: Aggregates[Administrators]
    enrolments: Aggregates[Enrolment]
    sessions: Aggregates[Session]
    confirmations: Aggregates[Confirmation]
    throttles: Aggregates[Throttle]
    assertions: Aggregates[UsedAssertion]
    access_log: AccessLog

    @classmethod
    async def open(cls, database: Database) -> "Store":
        """Open the collections and create their indexes."""
        small = Limits(processed_events=32)
        return cls(
            persons=await database.aggregates(
                "persons", dataclass_codec(Person), indexes=[_PERSON], limits=small
            ),
            accounts=await database.aggregates("accounts", dataclass_codec(Account), indexes=[_MOBILE]),
            officers=await database.aggregates(
                "officers", dataclass_codec(Officer), indexes=[_MOBILE, _FIRST]
            ),
            administrators=await database.aggregates(ADMINISTRATORS, dataclass_codec(Administrators)),
            enrolments=await database.aggregates("enrolments", dataclass_codec(Enrolment), indexes=[_FORGET]),
            sessions=await database.aggregates("sessions", dataclass_codec(Session), indexes=[_FORGET]),
            confirmations=await database.aggregates(
                "confirmations", dataclass_codec(Confirmation), indexes=[_FORGET]
            ),
            throttles=await database.aggregates("throttles", dataclass_codec(Throttle), indexes=[_FORGET]),
            assertions=await database.aggregates(
                "assertions", dataclass_codec(UsedAssertion), indexes=[_FORGET]
            ),
            access_log=await AccessLog.open(database),
        )
