"""Settings of the acquirer connector, prefix ACQUIRER_."""

from pathlib import Path

from chassis.connector import ConnectorSettings
from pydantic import Field, SecretStr
from pydantic_settings import SettingsConfigDict


class AcquirerSettings(ConnectorSettings):
    """Settings of the acquirer connector."""

    model_config = SettingsConfigDict(env_prefix="ACQUIRER_")

    api_url: str = Field(pattern="^https?://", description="the acquirer's API, without a slash at the end")
    api_key: SecretStr = Field(description="our key there")
    answer_seconds: float = Field(default=10, gt=0, description="how long to wait for one answer of the API")
    replay_window_seconds: float = Field(
        default=300, gt=0, description="how old a callback's signature may be"
    )
    callback_key_file: Path | None = Field(
        default=None, description="HMAC key of callbacks, hexadecimal; <keys dir>/callback.key if not given"
    )
