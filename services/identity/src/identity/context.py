"""Dependencies of identity's use cases, created once in `__main__`."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from secrets import randbelow
from uuid import UUID, uuid4

from chassis.key_ring import KeyRing
from chassis.telemetry import Telemetry
from chassis.times import Clock, cairo_day, utc_now

from identity.model.accounts import mobile_number
from identity.model.national_id import CHECK_DIGIT_RULES, NationalId
from identity.networks import Networks
from identity.settings import Settings
from identity.signing import Signing
from identity.store import Store


@dataclass(frozen=True)
class Context:
    """Stores, keys, settings, random source, metrics.

    Attributes:
        networks: counts anonymous requests.
        clock: current time, UTC; the time of a command or query is that of its call.
        below: returns a uniform random number from 0 to n-1; `secrets.randbelow` except in tests.
        new_id: returns a random UUID, for ids that are not derived from a cause.
    """

    store: Store
    keys: KeyRing
    signing: Signing
    settings: Settings
    telemetry: Telemetry
    networks: Networks
    clock: Clock = utc_now
    below: Callable[[int], int] = randbelow
    new_id: Callable[[], str] = field(default=lambda: str(uuid4()))

    def national_id(self, text: str, now: datetime) -> NationalId:
        """A well-formed national ID, or NationalIdInvalid."""
        rule = CHECK_DIGIT_RULES[self.settings.check_digit_rule]
        return NationalId.parse(text, today=cairo_day(now), rule=rule)

    def person_key(self, national_id: NationalId) -> str:
        """Key of a person in the store: keyed hash of the national ID."""
        return self.keys.keyed_hash(national_id.digits, "person")

    def account_id(self, person_key: str) -> str:
        """Id of the person's account, whether or not it exists."""
        return self._derived(person_key, "account")

    def officer_id(self, staff_number: str) -> str:
        """Id of the officer with this staff number, whether or not it exists."""
        return self._derived(staff_number, "officer")

    def stand_in_person_id(self, person_key: str) -> str:
        """Derived person id, unique and constant, for an officer who is not in the extract."""
        return self._derived(person_key, "person of an officer")

    def mobile_key(self, mobile: str) -> str:
        """Keyed hash by which a mobile is unique; MobileInvalid if it is not an Egyptian mobile number."""
        return self.keys.keyed_hash(mobile_number(mobile), "mobile")

    def code_hash(self, what_for: str, code: str) -> str:
        """Stored form of a code: a keyed hash, bound to `what_for` so that it is of no use for another purpose."""
        return self.keys.keyed_hash(f"{what_for}/{code}", "code")

    def _derived(self, value: str, purpose: str) -> str:
        return str(UUID(self.keys.keyed_hash(value, purpose)[:32], version=4))

    def count_enrolment(self, way: str, outcome: str) -> None:
        """Count an enrolment: `way` is online or counter, `outcome` is done or the refusal's reason."""
        self.telemetry.counter(
            "diwan_identity_enrolments", "Enrolments by way and outcome", ("way", "outcome")
        ).labels(way, outcome).inc()

    def count_revocation(self, reason: str) -> None:
        """Count a request that revoked access tokens; `reason` is one of `RevocationReason`."""
        self.telemetry.counter(
            "diwan_identity_revocations", "Revocations of access tokens by reason", ("reason",)
        ).labels(reason).inc()

    def count_code(self, purpose: str, outcome: str) -> None:
        """Count a code.

        Args:
            purpose: enrolment, sign_in or confirmation.
            outcome: sent, decoy, right, or the refusal's reason.
        """
        self.telemetry.counter(
            "diwan_identity_codes", "One-time codes by purpose and outcome", ("purpose", "outcome")
        ).labels(purpose, outcome).inc()
