"""Settings of a connector, from environment variables with the connector's prefix."""

from pydantic import DirectoryPath, Field

from chassis.settings import Address, ProcessSettings


class ConnectorSettings(ProcessSettings):
    """What every connector is told beside what every process is; a subclass sets `env_prefix` and adds its own."""

    keys_dir: DirectoryPath = Field(description="the connector's own key folder (hash.key, seal.jwk)")
    # A port that is known beforehand: the outside world calls back on it.
    http_listen: Address = Field(
        "127.0.0.1:8080", description="host:port of /healthz, /readyz, /metrics and callbacks"
    )
    workers: int = Field(default=50, ge=1, le=1000, description="requests worked on at one time")
    prefetch: int = Field(
        50, ge=1, le=2000, description="messages the broker hands over before the first is acked"
    )
    retry_steps: int = Field(
        default=5, ge=1, le=20, description="how many retry queues the broker's table has"
    )
