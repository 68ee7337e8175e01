"""Who takes part in a journey: people of their own for each, so that many can be on their way at once."""

from dataclasses import dataclass

from population import Person, people

from demo.actors import Officer

SEED = 20261122
POPULATION = 300
EXTRACT = 24  # of which never fewer than the seven adults that a journey takes


@dataclass(frozen=True)
class Participants:
    """One journey's part of the population.

    Attributes:
        number: 0 is the journey that opens the country: its extract is the large one, and its administrator the
            first. The others come after it, beside each other.
        administrator: signed in already; registers the officers of a later journey.
    """

    number: int = 0
    administrator: Officer | None = None

    @property
    def opens(self) -> bool:
        """Whether this is the first journey in a country that has neither officers nor fees."""
        return self.administrator is None

    def people(self) -> list[Person]:
        """The registry's extract that this journey begins with; no person is in two of them."""
        if self.opens:
            return list(people(seed=SEED, count=POPULATION))
        start = POPULATION + (self.number - 1) * EXTRACT
        return list(people(seed=SEED, count=start + EXTRACT))[start:]

    def staff_number(self, prefix: str, ordinal: int) -> str:
        """A number that no officer of another journey has."""
        return f"{prefix}-{ordinal:04d}" if self.opens else f"{prefix}-{ordinal:04d}-{self.number:05d}"
