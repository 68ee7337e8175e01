"""Settings of the acquirer connector, variables `ACQUIRER_<SETTING>`."""

from pathlib import Path

from chassis.connector import ConnectorSettings
from chassis.settings import Uri
from pydantic import Field, SecretStr
from pydantic_settings import SettingsConfigDict


class Settings(ConnectorSettings):
    """Settings of the acquirer connector."""

    model_config = SettingsConfigDict(env_prefix="ACQUIRER_")

    api_url: Uri = Field(
        pattern="^https?://", description="Address of the acquirer's API, without a final slash"
    )
    api_key: SecretStr = Field(min_length=1, description="API key of Diwan at the acquirer")
    answer_seconds: float = Field(
        default=10, gt=0, le=300, description="Time limit for one answer of the API, seconds"
    )
    replay_window_seconds: float = Field(
        default=300, gt=0, le=86_400, description="Maximum age of a callback's signature, seconds"
    )
    callback_key_file: Path | None = Field(
        default=None,
        description="File with the HMAC key of callbacks, 32 bytes in hexadecimal; default <keys dir>/callback.key",
    )

    @property
    def callback_key_path(self) -> Path:
        """The file with the HMAC key of callbacks."""
        return self.callback_key_file or self.keys_dir / "callback.key"
