"""Notification's settings: those that every service has, identity among them."""

from chassis.settings import ServiceSettings
from pydantic import Field
from pydantic_settings import SettingsConfigDict


class Settings(ServiceSettings):
    """Variables `NOTIFICATION_…`."""

    model_config = SettingsConfigDict(env_prefix="NOTIFICATION_")

    identity_target: str = Field(
        min_length=1,
        description="gRPC target of identity, such as dns:///identity:50051: its keys check tokens",
    )
