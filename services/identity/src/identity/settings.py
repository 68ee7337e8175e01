"""Settings of identity, variables `IDENTITY_<SETTING>`."""

from datetime import timedelta
from typing import Literal

from chassis.settings import AccessLogSettings
from pydantic import Field
from pydantic_settings import SettingsConfigDict

from identity.model.codes import RateLimit


class Settings(AccessLogSettings):
    """Settings of identity, in addition to those of every service."""

    model_config = SettingsConfigDict(env_prefix="IDENTITY_")

    check_digit_rule: Literal["none", "weighted_mod_11"] = Field(
        "none",
        description="Check of a national ID's last digit; none by default, because no official rule is published",
    )
    services: str = Field(
        pattern=r"^[a-z]+(,[a-z]+)*$",
        description="Audiences of tokens: all services, separated by commas",
    )
    acting_clients: str = Field(
        "notary",
        pattern=r"^([a-z]+(,[a-z]+)*)?$",
        description="Clients that may obtain a token to act for a citizen, separated by commas",
    )
    front_services: str = Field(
        "",
        pattern=r"^([a-z]+(,[a-z]+)*)?$",
        description="Services, separated by commas, that state the address of their user (diwan-client-address)",
    )
    starts_per_hour: int = Field(
        5,
        ge=1,
        le=100,
        description="Codes per hour for one person, mobile or content that one address or known device requests",
    )
    unknown_starts_per_hour: int = Field(
        10,
        ge=1,
        le=200,
        description="Codes per hour for one person or mobile that all addresses without a known device request",
    )
    unknown_starts_per_day: int = Field(
        20, ge=1, le=1000, description="The same for 24 hours: the limit of unwanted messages"
    )
    starts_per_address: int = Field(
        600,
        ge=1,
        le=1_000_000,
        description="Enrolments and sign-ins per hour and process from one network address, for all persons together",
    )
    confirmations_per_hour: int = Field(
        20, ge=1, le=200, description="Confirmations per hour that one account may start"
    )
    resend_seconds: int = Field(
        60, ge=0, le=3600, description="Minimum time between two codes for one subject and purpose, seconds"
    )

    @property
    def audiences(self) -> tuple[str, ...]:
        return tuple(self.services.split(","))

    @property
    def trusted_front_services(self) -> frozenset[str]:
        return frozenset(self.front_services.split(",")) - {""}

    @property
    def may_act(self) -> frozenset[str]:
        return frozenset(self.acting_clients.split(",")) - {""}

    @property
    def starts(self) -> RateLimit:
        """Limit of enrolments and sign-ins."""
        return self._limit(self.starts_per_hour, timedelta(seconds=self.resend_seconds))

    @property
    def confirmations(self) -> RateLimit:
        """Limit of confirmations per account; different contents need no pause between them."""
        return self._limit(self.confirmations_per_hour, timedelta(0))

    def _limit(self, per_hour: int, min_interval: timedelta) -> RateLimit:
        return RateLimit(per_hour, min_interval, self.unknown_starts_per_hour, self.unknown_starts_per_day)
