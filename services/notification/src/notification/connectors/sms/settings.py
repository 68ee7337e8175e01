"""Settings of the SMS connector, prefix SMS_."""

from chassis.connector import ConnectorSettings
from pydantic import Field, SecretStr
from pydantic_settings import SettingsConfigDict


class SmsSettings(ConnectorSettings):
    """Settings of the SMS connector."""

    model_config = SettingsConfigDict(env_prefix="SMS_")

    smsc_host: str = Field(description="the operator's SMSC")
    smsc_port: int = Field(default=2775, description="its SMPP port")
    smsc_system_id: str = Field(max_length=15, description="who we are to the operator")
    smsc_password: SecretStr = Field(max_length=8, description="our password there; SMPP allows 8 characters")
    smsc_sender: str = Field(
        default="DIWAN", max_length=11, description="alphanumeric sender that the phone shows"
    )
    window: int = Field(default=20, ge=1, le=1000, description="submits that wait for an answer at one time")
    answer_seconds: float = Field(
        default=10, gt=0, description="how long to wait for the SMSC's answer to one submit"
    )
    bind_wait_seconds: float = Field(
        default=3, gt=0, description="how long a message waits for the bind to come back"
    )
    enquire_seconds: float = Field(
        default=15, gt=0, description="between two enquire_link while nothing else comes"
    )
    parts_max: int = Field(default=10, ge=1, le=255, description="parts of one text; a longer one is refused")
    smsc_utc_offset_hours: int = Field(
        default=0, ge=-12, le=14, description="zone of the times in its receipts"
    )
