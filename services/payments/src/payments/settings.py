"""Payments' settings: those that every service has, and how often the books are summed."""

from chassis.settings import ServiceSettings
from pydantic import Field
from pydantic_settings import SettingsConfigDict


class PaymentsSettings(ServiceSettings):
    """Variables `PAYMENTS_…`."""

    model_config = SettingsConfigDict(env_prefix="PAYMENTS_")

    identity_target: str = Field(
        min_length=1,
        description="gRPC target of identity, such as dns:///identity:50051: its keys check tokens",
    )

    audit_seconds: float = Field(
        60, ge=1, le=86_400, description="How often the whole journal is summed, seconds"
    )
