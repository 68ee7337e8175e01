"""Notary's settings: those of every service, and its own."""

from chassis.settings import ServiceSettings
from pydantic import Field
from pydantic_settings import SettingsConfigDict


class Settings(ServiceSettings):
    """Read from the environment, prefix NOTARY_."""

    model_config = SettingsConfigDict(env_prefix="NOTARY_")

    identity_target: str = Field(
        min_length=1,
        description="gRPC target of identity, such as dns:///identity:50051: accounts, its keys and tokens",
    )
    claim_hours: int = Field(
        24, ge=1, le=24 * 30, description="A claimed case that lies longer goes back to the queue, hours"
    )
    release_seconds: int = Field(
        300, ge=1, le=86_400, description="How often cases that lie are looked for, seconds"
    )
    drafts_per_hour: int = Field(
        20, ge=1, le=1000, description="Drafts that one account may ask for in an hour, refused ones too"
    )
    renderer_workers: int = Field(1, ge=1, le=32, description="Processes that print and sign documents")
    renderer_timeout_seconds: float = Field(
        25, gt=0, le=29, description="Longest time to print and sign one document, seconds"
    )
    verify_url: str = Field(
        "https://verify.diwan.example/poa",
        description="Page that the QR code on a document leads to; number and code are added",
        pattern=r"^https?://",
    )
