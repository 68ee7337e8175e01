"""Base types of the domain models of all services: the outcome of a decision, and refusals.

Pure: this module imports only the standard library, and a domain model imports no other module of the chassis.
"""

from dataclasses import dataclass
from typing import ClassVar, Generic, TypeVar

S = TypeVar("S")
F = TypeVar("F")


class DomainError(Exception):
    """A refusal by a rule. A service declares each refusal as a subclass, whose docstring is the default text.

    Attributes:
        reason: UPPER_SNAKE_CASE, constant for a class and unique in its service; the identifier for programs.
        code: canonical code by its name in `google.rpc.Code`, such as NOT_FOUND.
        field: path of the request's field at fault, empty when none is.
        metadata: details for the caller. Neither metadata nor text contain personal data.
    """

    reason: ClassVar[str] = ""
    code: ClassVar[str] = ""
    field: str = ""

    def __init__(self, message: str = "", *, field: str = "", **metadata: str) -> None:
        super().__init__(message or (type(self).__doc__ or self.reason).partition("\n")[0])
        self.field = field or self.field
        self.metadata = metadata


@dataclass(frozen=True)
class Outcome(Generic[S, F]):
    """A model's decision: the new state, the facts to publish, in order, and a refusal that is committed with them.

    A refusal without a change of state and without facts is raised instead.
    """

    state: S
    facts: tuple[F, ...] = ()
    refusal: DomainError | None = None
