"""A civil registry for trials: a deterministic population of families."""

from population.families import EXTRACT_DAY, Person, families, people
from population.spelling import spelling_variants

__all__ = ["EXTRACT_DAY", "Person", "families", "people", "spelling_variants"]
