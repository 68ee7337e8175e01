"""YAML with line numbers, so that an error names the line of the value that is wrong."""

from dataclasses import dataclass
from pathlib import Path

import yaml


class TableError(Exception):
    """An entry is wrong; the text is `<file>:<line>: <reason>`."""


@dataclass(frozen=True)
class Located:
    """One value of a YAML file.

    Attributes:
        file: name of the file, as errors show it.
        line: of the value, or of its key where it has one; from 1.
        value: a scalar, `dict[str, Located]` or `list[Located]`.
    """

    file: str
    line: int
    value: object

    def error(self, reason: str) -> TableError:
        """An error for this line, to raise."""
        return TableError(f"{self.file}:{self.line}: {reason}")

    def mapping(self, what: str) -> "dict[str, Located]":
        """The value as a mapping; TableError if it is none. `what` names it in the error."""
        if not isinstance(self.value, dict):
            raise self.error(f"{what} must be a mapping")
        return self.value

    def items(self, what: str) -> "list[Located]":
        """The value as a list, not empty; TableError if it is none."""
        if not isinstance(self.value, list) or not self.value:
            raise self.error(f"{what} must be a list with at least one element")
        return self.value

    def text(self, what: str) -> str:
        """The value as text, not empty; TableError if it is none."""
        if not isinstance(self.value, str) or not self.value:
            raise self.error(f"{what} must be text")
        return self.value

    def number(self, what: str, least: int, most: int) -> int:
        """The value as an integer within bounds; TableError if it is none."""
        if not isinstance(self.value, int) or isinstance(self.value, bool) or not least <= self.value <= most:
            raise self.error(f"{what} must be an integer from {least} to {most}")
        return self.value

    def texts(self, what: str) -> "tuple[Located, ...]":
        """The value as a list of different texts; TableError if it is none."""
        seen: set[str] = set()
        for item in self.items(what):
            if (text := item.text(f"each element of {what}")) in seen:
                raise item.error(f"{what} has {text!r} twice")
            seen.add(text)
        return tuple(self.items(what))

    def only(self, what: str, known: set[str]) -> "dict[str, Located]":
        """The value as a mapping with all of these keys and no other; TableError if it is none."""
        given = self.mapping(what)
        for key, child in given.items():
            if key not in known:
                raise child.error(f"{what} has no field {key!r}; its fields are {', '.join(sorted(known))}")
        for key in sorted(known - given.keys()):
            raise self.error(f"{what} lacks {key!r}")
        return given

    def plain(self) -> object:
        """The value without lines, as `yaml.safe_load` gives it."""
        if isinstance(self.value, dict):
            return {key: child.plain() for key, child in self.value.items()}
        if isinstance(self.value, list):
            return [child.plain() for child in self.value]
        return self.value


def read(path: Path, shown: str) -> Located:
    """Read a YAML file; TableError for a syntax error or a key that stands twice. `shown` is its name in errors."""
    loader = yaml.SafeLoader(path.read_text(encoding="utf-8"))
    try:
        node = loader.get_single_node()
        return Located(shown, 1, {}) if node is None else _located(loader, node, shown, node.start_mark.line)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 1
        raise TableError(f"{shown}:{line}: not YAML: {error.problem}") from error
    finally:
        loader.dispose()


def _located(loader: yaml.SafeLoader, node: yaml.Node, shown: str, line: int) -> Located:
    value: object
    if isinstance(node, yaml.MappingNode):
        value = _mapping(loader, node, shown)
    elif isinstance(node, yaml.SequenceNode):
        value = [_located(loader, child, shown, child.start_mark.line) for child in node.value]
    else:
        value = loader.construct_object(node)
    return Located(shown, line + 1, value)


def _mapping(loader: yaml.SafeLoader, node: yaml.MappingNode, shown: str) -> dict[str, Located]:
    found: dict[str, Located] = {}
    for key, child in node.value:
        located = _located(loader, child, shown, key.start_mark.line)
        if key.value in found:
            raise located.error(f"{key.value!r} stands twice")
        found[str(key.value)] = located
    return found
