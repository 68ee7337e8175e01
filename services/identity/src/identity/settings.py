"""Identity's settings, variables `IDENTITY_<SETTING>`."""

from datetime import timedelta
from typing import Literal

from chassis.settings import ServiceSettings
from pydantic import Field
from pydantic_settings import SettingsConfigDict

from identity.model.codes import Allowance


class Settings(ServiceSettings):
    """What identity has beside what every service has."""

    model_config = SettingsConfigDict(env_prefix="IDENTITY_")

    check_digit_rule: Literal["none", "weighted_mod_11"] = Field(
        "none",
        description="Rule of a national ID's last digit: none is published, so none is asked by default",
    )
    services: str = Field(
        pattern=r"^[a-z]+(,[a-z]+)*$",
        description="Audiences of tokens: every service, separated by commas",
    )
    acting_clients: str = Field(
        "notary",
        pattern=r"^([a-z]+(,[a-z]+)*)?$",
        description="Clients that may get a token to act for a citizen, separated by commas",
    )
    starts_per_hour: int = Field(
        5, ge=1, le=100, description="Codes that one person or mobile may ask for in an hour, per purpose"
    )
    confirmations_per_hour: int = Field(
        20, ge=1, le=200, description="Confirmations that one account may start in an hour"
    )
    resend_seconds: int = Field(
        60, ge=0, le=3600, description="Shortest time between two codes for one purpose, seconds"
    )

    @property
    def audiences(self) -> tuple[str, ...]:
        return tuple(self.services.split(","))

    @property
    def may_act(self) -> frozenset[str]:
        return frozenset(self.acting_clients.split(",")) - {""}

    @property
    def starts(self) -> Allowance:
        """For enrolment and sign-in."""
        return Allowance(self.starts_per_hour, timedelta(seconds=self.resend_seconds))

    @property
    def confirmations(self) -> Allowance:
        """For one account, whatever it confirms: different contents may follow one another at once."""
        return Allowance(self.confirmations_per_hour, timedelta(0))
