"""Notification's settings: those that every service has."""

from chassis.settings import ServiceSettings
from pydantic_settings import SettingsConfigDict


class NotificationSettings(ServiceSettings):
    """Variables `NOTIFICATION_…`."""

    model_config = SettingsConfigDict(env_prefix="NOTIFICATION_")
