"""What the models of all services share: what a decision returns, and how one refuses.

Pure: the standard library alone, and a model imports nothing else of ours.
"""

from dataclasses import dataclass
from typing import ClassVar, Generic, TypeVar

S = TypeVar("S")
F = TypeVar("F")


class DomainError(Exception):
    """A refusal by a rule. A service states each of its own as a subclass, whose docstring is the default text.

    Attributes:
        reason: UPPER_SNAKE_CASE, constant for a class and unique in its service; programs look at it.
        code: canonical code by its name in `google.rpc.Code`, such as NOT_FOUND.
        field: path of the request's field at fault, empty when none is.
        metadata: facts that help the caller. Neither they nor the text hold a personal datum.
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
    """What a model decides: the new state, the facts to publish, in order, and a refusal that is committed with them.

    A refusal that changes nothing is raised instead.
    """

    state: S
    facts: tuple[F, ...] = ()
    refusal: DomainError | None = None
