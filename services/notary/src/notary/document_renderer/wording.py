"""Texts, dates and digits of an Egyptian document, from the package's message catalogue."""

import tomllib
from collections.abc import Mapping
from datetime import datetime
from functools import cache
from importlib import resources
from typing import Any

from chassis.times import cairo_day

_DIGITS = str.maketrans("0123456789", "٠١٢٣٤٥٦٧٨٩")


@cache
def catalogue() -> Mapping[str, Any]:
    """The message catalogue; read once."""
    return tomllib.loads(
        resources.files(__package__).joinpath("messages.ar.toml").read_text(encoding="utf-8")
    )


def digits(text: str) -> str:
    """The text with Arabic-Indic digits."""
    return text.translate(_DIGITS)


def day(moment: datetime) -> str:
    """The day in Cairo: ٧ مارس ٢٠٢٦ م."""
    words = catalogue()["calendar"]
    local = cairo_day(moment)
    month = words["months"][local.month - 1]
    return digits(words["date"].format(day=local.day, month=month, year=local.year))


def weekday(moment: datetime) -> str:
    """The weekday in Cairo."""
    return str(catalogue()["calendar"]["weekdays"][cairo_day(moment).weekday()])


def governorate(code: str) -> str:
    """The name of a governorate by its two digits; the code itself if it is unknown."""
    return str(catalogue()["governorates"].get(code, code))
