"""Settings of the SMS connector, variables `SMS_<SETTING>`."""

from chassis.connector import ConnectorSettings
from pydantic import Field, SecretStr, model_validator
from pydantic_settings import SettingsConfigDict

from notification.connectors.sms.receipts import RADIX, Dialect, IdForm


class Settings(ConnectorSettings):
    """Settings of the SMS connector."""

    model_config = SettingsConfigDict(env_prefix="SMS_")

    smsc_host: str = Field(pattern=r"^[A-Za-z0-9:._-]+$", description="Host of the operator's SMSC")
    smsc_port: int = Field(default=2775, ge=1, le=65_535, description="SMPP port of the SMSC")
    smsc_system_id: str = Field(min_length=1, max_length=15, description="System id of Diwan at the SMSC")
    smsc_password: SecretStr = Field(
        min_length=1, max_length=8, description="Password of the system id; SMPP allows 8 characters"
    )
    smsc_sender: str = Field(
        default="DIWAN",
        min_length=1,
        max_length=11,
        description="Alphanumeric sender that the phone displays",
    )
    window: int = Field(default=20, ge=1, le=1000, description="Concurrent submits without an answer")
    answer_seconds: float = Field(
        default=10, gt=0, le=300, description="Time limit for the SMSC's answer to one submit, seconds"
    )
    bind_wait_seconds: float = Field(
        default=3, gt=0, le=60, description="Time that a message waits for a lost bind, seconds"
    )
    enquire_seconds: float = Field(
        default=15, gt=0, le=3600, description="Interval of enquire_link on an idle bind, seconds"
    )
    parts_max: int = Field(
        default=10, ge=1, le=255, description="Maximum number of parts of one text; longer texts are refused"
    )
    smsc_utc_offset_hours: int = Field(
        default=0, ge=-12, le=14, description="UTC offset of the times in the SMSC's receipts, hours"
    )
    smsc_answer_id: IdForm = Field(
        default="exact", description="Form of message ids in the SMSC's answers to submissions"
    )
    smsc_receipt_id: IdForm = Field(
        default="exact",
        description="Form of message ids in the SMSC's receipts; `exact` and `any-case` only if answers have it too",
    )

    @model_validator(mode="after")
    def _same_kind(self) -> "Settings":
        """Numbers can be compared in any radix, but not with other ids."""
        answer, receipt = self.smsc_answer_id, self.smsc_receipt_id
        if answer != receipt and not {answer, receipt} <= RADIX.keys():
            raise ValueError(
                "SMS_SMSC_ANSWER_ID and SMS_SMSC_RECEIPT_ID must be equal, or both decimal or hexadecimal"
            )
        return self

    @property
    def dialect(self) -> Dialect:
        """The operator's way to write receipts."""
        return Dialect(self.smsc_answer_id, self.smsc_receipt_id, self.smsc_utc_offset_hours)
