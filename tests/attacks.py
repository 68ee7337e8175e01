"""Reads the table of attacks, attacks.yaml."""

from dataclasses import dataclass
from pathlib import Path

import yaml

TABLE = Path(__file__).with_name("attacks.yaml")


@dataclass(frozen=True)
class Guard:
    """Code that resists an attack, and the code that replaces it to show that the probe notices its absence.

    Attributes:
        attack: name of the attack.
        file: path in the checkout.
        code: part of a file; it occurs there exactly once.
        replacement: the weaker code.
    """

    attack: str
    file: str
    code: str
    replacement: str

    def removed_from(self, text: str) -> str:
        """Return the text of the file without the guard; ValueError unless the code occurs exactly once."""
        if (count := text.count(self.code)) != 1:
            raise ValueError(f"{self.file}: the guard occurs {count} times, expected once:\n{self.code}")
        return text.replace(self.code, self.replacement)


@dataclass(frozen=True)
class Attack:
    """An attack: its name, the probe (the id of a test) and its guards."""

    name: str
    probe: str
    guards: tuple[Guard, ...]


def read(table: Path = TABLE) -> list[Attack]:
    """Return the attacks of the table."""
    return [
        Attack(
            entry["attack"],
            entry["probe"],
            tuple(
                Guard(
                    entry["attack"],
                    guard["file"],
                    guard["code"].strip("\n"),
                    guard["replacement"].strip("\n"),
                )
                for guard in entry["guards"]
            ),
        )
        for entry in yaml.safe_load(table.read_text(encoding="utf-8"))
    ]
