"""Facts about a power of attorney that the model emits."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class Submitted:
    """The principal confirmed the draft; the fee is due."""

    power_of_attorney_id: str
    number: str
    principal_account_id: str
    service: str
    channel: str
    governorate: str
    submit_time: datetime


@dataclass(frozen=True)
class Approved:
    """A reviewer approved it and an office was assigned."""

    power_of_attorney_id: str
    number: str
    office_id: str


@dataclass(frozen=True)
class Returned:
    """A reviewer refused it finally or requested a correction."""

    power_of_attorney_id: str
    number: str
    principal_account_id: str
    refused: bool


@dataclass(frozen=True)
class Issued:
    """The document was printed and signed."""

    power_of_attorney_id: str
    number: str
    principal_account_id: str
    office_id: str
    office_name: str
    document_digest: str


@dataclass(frozen=True)
class Collected:
    """The document was handed over."""

    power_of_attorney_id: str
    number: str
    principal_account_id: str
    office_id: str
    collect_time: datetime


Fact = Submitted | Approved | Returned | Issued | Collected
