"""Settings of notification, variables `NOTIFICATION_<SETTING>`."""

from chassis.settings import ServiceSettings
from pydantic import Field
from pydantic_settings import SettingsConfigDict


class Settings(ServiceSettings):
    """Settings of notification, in addition to those of every service."""

    model_config = SettingsConfigDict(env_prefix="NOTIFICATION_")

    identity_target: str = Field(
        min_length=1,
        description="gRPC target of identity (public keys), such as dns:///identity:50051",
    )
    message_days: int = Field(
        400, ge=30, le=3650, description="Age at which a message and its receipts are deleted, days"
    )
