"""Settings of a connector, from environment variables with the connector's prefix."""

from pydantic import DirectoryPath, Field
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from chassis.settings import sources


class ConnectorSettings(BaseSettings):
    """What every connector is told; a subclass sets `env_prefix` and adds its own."""

    model_config = SettingsConfigDict(extra="ignore", hide_input_in_errors=True)

    broker_uri: str = Field(
        description="AMQP URI with the connector's own user, password and virtual host", repr=False
    )
    keys_dir: DirectoryPath = Field(description="the connector's own key folder (hash.key, seal.jwk)")
    http_listen: str = Field(
        "127.0.0.1:8080", description="host:port of /healthz, /readyz, /metrics and callbacks"
    )
    workers: int = Field(default=50, ge=1, le=1000, description="requests worked on at one time")
    prefetch: int = Field(
        50, ge=1, le=2000, description="messages the broker hands over before the first is acked"
    )
    retry_steps: int = Field(
        default=5, ge=1, le=20, description="how many retry queues the broker's table has"
    )
    grace_seconds: float = Field(default=20, gt=0, description="time to finish what is in hand at SIGTERM")
    log_level: str = Field(default="INFO", description="DEBUG, INFO, WARNING or ERROR")

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        del dotenv_settings, file_secret_settings
        return sources(settings_cls, init_settings, env_settings)


def described(settings: type[ConnectorSettings]) -> str:
    """Every setting with its variable, default and meaning, one a line."""
    prefix = settings.model_config.get("env_prefix", "")
    lines = []
    for name, field in settings.model_fields.items():
        default = (
            "required" if field.is_required() else f"default {field.get_default(call_default_factory=True)}"
        )
        lines.append(f"  {(prefix + name).upper():34} {field.description or ''} ({default})")
    return "\n".join(lines)
