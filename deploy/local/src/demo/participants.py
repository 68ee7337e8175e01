"""The participants of a journey: each journey has its own people, so that many can run at a time."""

from dataclasses import dataclass

from population import Person, people

from demo.actors import Officer

SEED = 20261122
POPULATION = 300
EXTRACT = 24  # persons; every extract holds at least the seven adults that a journey needs


@dataclass(frozen=True)
class Participants:
    """The part of the population that belongs to one journey.

    Attributes:
        number: 0 is the first journey on a platform, with the large extract and the first administrator; the
            others follow it and may run at the same time.
        administrator: signed in; registers the officers of a later journey. None for the first journey.
    """

    number: int = 0
    administrator: Officer | None = None

    @property
    def is_first(self) -> bool:
        """Whether this is the first journey on a platform, which has neither officers nor fees yet."""
        return self.administrator is None

    def people(self) -> list[Person]:
        """Return the registry's extract for this journey; no person is in two extracts."""
        if self.is_first:
            return list(people(seed=SEED, count=POPULATION))
        start = POPULATION + (self.number - 1) * EXTRACT
        return list(people(seed=SEED, count=start + EXTRACT))[start:]

    def staff_number(self, prefix: str, ordinal: int) -> str:
        """Return a staff number that no officer of another journey has."""
        return f"{prefix}-{ordinal:04d}" if self.is_first else f"{prefix}-{ordinal:04d}-{self.number:05d}"
