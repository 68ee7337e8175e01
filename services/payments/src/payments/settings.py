"""Payments' settings: those that every service has, how often the books are audited, when to inquire."""

from chassis.settings import ServiceSettings
from pydantic import Field
from pydantic_settings import SettingsConfigDict


class Settings(ServiceSettings):
    """Variables `PAYMENTS_…`."""

    model_config = SettingsConfigDict(env_prefix="PAYMENTS_")

    identity_target: str = Field(
        min_length=1,
        description="gRPC target of identity, such as dns:///identity:50051: its keys check tokens",
    )

    audit_seconds: float = Field(
        60, ge=1, le=86_400, description="How often the journal is audited, a piece at a time, seconds"
    )
    inquire_minutes: float = Field(
        10,
        gt=0,
        le=1_440,
        description="How long no news of a charge is borne before the acquirer is asked about it, minutes",
    )
