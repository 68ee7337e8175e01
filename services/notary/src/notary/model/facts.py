"""What happened to a power of attorney, as the model states it."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class Submitted:
    """The principal confirmed the draft; the fee is due."""

    id: str
    number: str
    principal_account_id: str
    service: str
    channel: str
    governorate: str
    time: datetime


@dataclass(frozen=True)
class Approved:
    """A reviewer approved it and an office was assigned."""

    id: str
    number: str
    office_id: str


@dataclass(frozen=True)
class Returned:
    """A reviewer refused it for good or asked for correction."""

    id: str
    number: str
    principal_account_id: str
    refused: bool


@dataclass(frozen=True)
class Issued:
    """The document was printed and signed."""

    id: str
    number: str
    principal_account_id: str
    office_id: str
    office_name: str
    document_digest: str


@dataclass(frozen=True)
class Collected:
    """The document was handed over."""

    id: str
    number: str
    principal_account_id: str
    office_id: str
    time: datetime


Fact = Submitted | Approved | Returned | Issued | Collected
