"""Settings of payments, variables `PAYMENTS_<SETTING>`: interval of the audit, time before an inquiry."""

from chassis.settings import ServiceSettings
from pydantic import Field
from pydantic_settings import SettingsConfigDict


class Settings(ServiceSettings):
    """Settings of payments, in addition to those of every service."""

    model_config = SettingsConfigDict(env_prefix="PAYMENTS_")

    identity_target: str = Field(
        min_length=1,
        description="gRPC target of identity (public keys), such as dns:///identity:50051",
    )

    audit_seconds: float = Field(
        60,
        ge=1,
        le=86_400,
        description="Interval of the journal's audit, which checks a bounded part per run, seconds",
    )
    inquire_minutes: float = Field(
        10,
        gt=0,
        le=1_440,
        description="Time without a result after which the acquirer is queried about a charge, minutes",
    )
