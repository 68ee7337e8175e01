"""The message catalogue: templates by key and language, checked when read, filled in declared places only."""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources

from notification.model import TemplateUnknown, ValuesWrong

DEFAULT_LANGUAGE = "ar"
LONGEST_VALUE = 120
PLACE = re.compile(r"\{([a-z_]+)\}")
CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")
ARABIC_DIGITS = str.maketrans("٠١٢٣٤٥٦٧٨٩", "0123456789")


@dataclass(frozen=True)
class Template:
    """One text in each language, the places that it fills, and whether it may be submitted only once."""

    key: str
    places: frozenset[str]
    once: bool
    texts: Mapping[str, str]

    def render(self, language: str, values: Mapping[str, str]) -> str:
        """The text in the language (Arabic where it has none). ValuesWrong names the places left empty."""
        missing = sorted(place for place in self.places if not values.get(place))
        if missing:
            raise ValuesWrong("The template lacks values.", template=self.key, places=",".join(missing))
        text = self.texts.get(language.partition("-")[0].lower(), self.texts[DEFAULT_LANGUAGE])
        # One pass: braces inside a value stay what they are.
        return PLACE.sub(lambda place: _clean(values[place[1]]), text)


class Catalogue:
    """All templates, by key."""

    def __init__(self, templates: Mapping[str, Template]) -> None:
        self.templates = dict(templates)

    def template(self, key: str) -> Template:
        """The template of that key; TemplateUnknown if there is none."""
        try:
            return self.templates[key]
        except KeyError:
            raise TemplateUnknown("The catalogue has no such template.") from None


def load() -> Catalogue:
    """The catalogue that is packaged with the service."""
    return parse(resources.files("notification").joinpath("catalogue.toml").read_text(encoding="utf-8"))


def parse(text: str) -> Catalogue:
    """Read a catalogue; ValueError names the template and language that contradict the declared places."""
    return Catalogue({key: _template(key, raw) for key, raw in tomllib.loads(text).items()})


def _template(key: str, raw: dict[str, object]) -> Template:
    places = raw.pop("places", [])
    once = raw.pop("once", False)
    if not isinstance(places, list) or not isinstance(once, bool):
        # The file is wrong, not the call.
        raise ValueError(f"template {key}: places is a list of names, once is true or false")  # noqa: TRY004
    texts = {language: str(value) for language, value in raw.items()}
    if DEFAULT_LANGUAGE not in texts:
        raise ValueError(f"template {key} has no text in {DEFAULT_LANGUAGE}")
    declared = frozenset(str(place) for place in places)
    for language, value in texts.items():
        if frozenset(PLACE.findall(value)) != declared:
            raise ValueError(f"template {key}, {language}: its text does not name exactly its places")
        if PLACE.sub("", value).count("{") or PLACE.sub("", value).count("}"):
            raise ValueError(f"template {key}, {language}: a brace stands alone")
    return Template(key, declared, once=once, texts=texts)


def _clean(value: str) -> str:
    """A value without control and direction marks, of bounded length, with the digits of the catalogue."""
    return CONTROLS.sub("", value)[:LONGEST_VALUE].translate(ARABIC_DIGITS)
