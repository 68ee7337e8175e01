"""The package's data files: the terms of each kind, and the notary offices. Both are in Arabic."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from typing import Any

from notary.model.content import Kind, Office
from notary.model.errors import GovernorateNotServed


@dataclass(frozen=True)
class Wording:
    """A kind's title, as printed on the document, and its terms."""

    title: str
    terms: tuple[str, ...]


@dataclass(frozen=True)
class Catalogue:
    """The reviewing authority's name, every kind's wording and every office."""

    authority: str
    wordings: Mapping[Kind, Wording]
    offices: Mapping[str, Sequence[Office]]

    def offices_of(self, governorate: str) -> Sequence[Office]:
        """The offices of a governorate (two digits), at least one.

        Raises:
            GovernorateNotServed: it has no office.
        """
        offices = self.offices.get(governorate, ())
        if not offices:
            raise GovernorateNotServed(governorate=governorate)
        return offices


def load() -> Catalogue:
    """Read the package's files.

    Raises:
        ValueError: a kind has no terms, or an office appears twice.
    """
    texts = _read("terms.json")
    kinds = texts["kinds"]
    wordings = {Kind(name): Wording(entry["title"], tuple(entry["terms"])) for name, entry in kinds.items()}
    missing = [kind.value for kind in Kind if kind not in wordings or not wordings[kind].terms]
    if missing:
        raise ValueError(f"no terms for {', '.join(missing)}")
    offices = [Office(entry["id"], entry["name"], entry["governorate"]) for entry in _read("offices.json")]
    if len({office.id for office in offices}) != len(offices):
        raise ValueError("an office's id appears twice")
    governorates = sorted({office.governorate for office in offices})
    return Catalogue(
        texts["authority"],
        wordings,
        {code: [office for office in offices if office.governorate == code] for code in governorates},
    )


def _read(name: str) -> Any:
    return json.loads(resources.files("notary").joinpath("data", name).read_text(encoding="utf-8"))
