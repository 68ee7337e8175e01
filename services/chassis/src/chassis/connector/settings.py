"""Settings of a connector, from environment variables with the connector's prefix."""

from pydantic import DirectoryPath, Field

from chassis.settings import Address, ProcessSettings


class ConnectorSettings(ProcessSettings):
    """Settings of every connector. A subclass sets `env_prefix` and adds its own."""

    keys_dir: DirectoryPath = Field(description="Folder with the keys of the connector (hash.key, seal.jwk)")
    http_listen: Address = Field(
        "127.0.0.1:8080",
        description="Address of the HTTP server for /healthz, /readyz and /metrics, host:port",
    )
    # Fixed, because external systems call it; separate, because what they send must not exhaust health and metrics.
    callbacks_listen: Address = Field(
        "127.0.0.1:8081",
        description="Address of the HTTP server for callbacks, host:port; not opened by a connector without callbacks",
    )
    workers: int = Field(default=50, ge=1, le=1000, description="Requests processed concurrently")
    prefetch: int = Field(
        50, ge=1, le=2000, description="Messages that the broker delivers before the first is acknowledged"
    )
    retry_steps: int = Field(
        default=5, ge=1, le=20, description="Number of `retry_delays_seconds` in deploy/platform.yaml"
    )
