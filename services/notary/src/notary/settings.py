"""Settings of notary, variables `NOTARY_<SETTING>`."""

from chassis.settings import AccessLogSettings
from pydantic import Field
from pydantic_settings import SettingsConfigDict


class Settings(AccessLogSettings):
    """Settings of notary, in addition to those of every service."""

    model_config = SettingsConfigDict(env_prefix="NOTARY_")

    identity_target: str = Field(
        min_length=1,
        description="gRPC target of identity (accounts, tokens, public keys), such as dns:///identity:50051",
    )
    claim_hours: int = Field(
        24,
        ge=1,
        le=24 * 30,
        description="Time after which an undecided claimed case returns to the queue, hours",
    )
    release_seconds: int = Field(
        300, ge=1, le=86_400, description="Interval of the search for such cases, seconds"
    )
    drafts_per_hour: int = Field(
        20, ge=1, le=1000, description="Drafts per hour for one account, including refused ones"
    )
    renderer_workers: int = Field(1, ge=1, le=32, description="Processes that render and sign documents")
    renderer_timeout_seconds: float = Field(
        25, gt=0, le=29, description="Time limit to render and sign one document, seconds"
    )
    verify_url: str = Field(
        "https://verify.diwan.example/poa",
        description="Address in the QR code of a document; number and verification code are appended",
        pattern=r"^https?://",
    )
