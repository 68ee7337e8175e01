"""The message catalogue: templates by key and language, validated when loaded, with declared placeholders."""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources

from notification.model import TemplateUnknown, ValuesWrong

DEFAULT_LANGUAGE = "ar"
VALUE_CHARACTERS_MAX = 120
PLACEHOLDER = re.compile(r"\{([a-z_]+)\}")
CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")
ARABIC_DIGITS = str.maketrans("٠١٢٣٤٥٦٧٨٩", "0123456789")


@dataclass(frozen=True)
class Template:
    """A text in each language, its placeholders, and whether it may be submitted only once."""

    key: str
    placeholders: frozenset[str]
    once: bool
    texts: Mapping[str, str]

    def render(self, language: str, values: Mapping[str, str]) -> str:
        """The text in a language (Arabic if it has none); ValuesWrong names the placeholders without a value."""
        missing = sorted(name for name in self.placeholders if not values.get(name))
        if missing:
            raise ValuesWrong("The template lacks values.", template=self.key, placeholders=",".join(missing))
        text = self.texts.get(language.partition("-")[0].lower(), self.texts[DEFAULT_LANGUAGE])
        # One pass, so that braces inside a value are not replaced.
        return PLACEHOLDER.sub(lambda match: _clean(values[match[1]]), text)


class Catalogue:
    """All templates, by key."""

    def __init__(self, templates: Mapping[str, Template]) -> None:
        self.templates = dict(templates)

    def template(self, key: str) -> Template:
        """The template of a key; TemplateUnknown if there is none."""
        try:
            return self.templates[key]
        except KeyError:
            raise TemplateUnknown("The catalogue has no such template.") from None


def load() -> Catalogue:
    """The catalogue in the service's package."""
    return parse(resources.files("notification").joinpath("catalogue.toml").read_text(encoding="utf-8"))


def parse(text: str) -> Catalogue:
    """Parse a catalogue; ValueError names the template and the language that differ from the declared placeholders."""
    return Catalogue({key: _template(key, raw) for key, raw in tomllib.loads(text).items()})


def _template(key: str, raw: dict[str, object]) -> Template:
    placeholders = raw.pop("placeholders", [])
    once = raw.pop("once", False)
    if not isinstance(placeholders, list) or not isinstance(once, bool):
        # The file is wrong, not the call.
        raise ValueError(f"template {key}: placeholders is a list of names, once is true or false")  # noqa: TRY004
    texts = {language: str(value) for language, value in raw.items()}
    if DEFAULT_LANGUAGE not in texts:
        raise ValueError(f"template {key} has no text in {DEFAULT_LANGUAGE}")
    declared = frozenset(str(name) for name in placeholders)
    for language, value in texts.items():
        if frozenset(PLACEHOLDER.findall(value)) != declared:
            raise ValueError(f"template {key}, {language}: its text does not have exactly its placeholders")
        if PLACEHOLDER.sub("", value).count("{") or PLACEHOLDER.sub("", value).count("}"):
            raise ValueError(f"template {key}, {language}: a brace is not part of a placeholder")
    return Template(key, declared, once=once, texts=texts)


def _clean(value: str) -> str:
    """A value without control and direction marks, of bounded length, with Western digits as in the catalogue."""
    return CONTROLS.sub("", value)[:VALUE_CHARACTERS_MAX].translate(ARABIC_DIGITS)
