import re

import pytest
from notification.catalogue import load, parse
from notification.model import TemplateUnknown, ValuesWrong

TEMPLATES = {
    "code.enrolment",
    "code.sign_in",
    "code.confirmation",
    "payment.due",
    "payment.settled",
    "payment.refused",
    "power_of_attorney.issued",
    "power_of_attorney.collected",
    "power_of_attorney.returned",
    "power_of_attorney.refused",
}


def test_every_template_exists_in_arabic_and_english() -> None:
    """Arabic is the default; English is for contacts that prefer it."""
    templates = load().templates

    assert set(templates) == TEMPLATES
    assert all(set(template.texts) == {"ar", "en"} for template in templates.values())


def test_codes_and_only_codes_are_submitted_once() -> None:
    """A code sent twice would look like an attack; any other message may rather be sent twice than never."""
    once = {key for key, template in load().templates.items() if template.once}

    assert once == {key for key in TEMPLATES if key.startswith("code.")}


def test_no_text_mixes_digits() -> None:
    """All digits are Western, as people type them again."""
    for template in load().templates.values():
        for text in template.texts.values():
            assert not re.search("[٠-٩]", text)


@pytest.mark.parametrize(
    ("language", "start"),
    [("ar", "ديوان"), ("ar-EG", "ديوان"), ("en", "Diwan"), ("fr", "ديوان"), ("", "ديوان")],
)
def test_a_text_is_in_the_preferred_language_or_in_arabic(language: str, start: str) -> None:
    """Arabic is used for a language that is not in the catalogue."""
    text = load().template("code.sign_in").render(language, {"code": "123456"})

    assert text.startswith(start)
    assert "123456" in text


def test_values_that_a_template_does_not_declare_are_left_out() -> None:
    """Only the declared placeholders of a template are filled."""
    text = load().template("code.sign_in").render("ar", {"code": "123456", "name": "منى"})

    assert "منى" not in text


def test_a_value_cannot_contain_placeholders_or_controls_and_is_limited() -> None:
    """A value is text, not a template; marks that change the reading direction are removed."""
    template = load().template("power_of_attorney.issued")

    text = template.render("ar", {"number": "{office}\u202e\n٤٢", "office": "x" * 500})

    assert "{office}42" in text
    assert "\u202e" not in text
    assert "x" * 120 in text
    assert "x" * 121 not in text


def test_a_missing_value_is_named_without_the_others() -> None:
    """The error names the missing placeholder and contains no value."""
    with pytest.raises(ValuesWrong) as raised:
        load().template("payment.due").render("ar", {"number": "DW-1"})

    assert raised.value.metadata == {"template": "payment.due", "placeholders": "amount"}
    assert "DW-1" not in str(raised.value)


def test_an_unknown_template_is_refused() -> None:
    """The error does not repeat the key, because it is input from outside."""
    with pytest.raises(TemplateUnknown):
        load().template("code.other")


@pytest.mark.parametrize(
    "text",
    [
        'placeholders = ["code"]\nar = "no place"',
        'placeholders = []\nar = "{code}"',
        'placeholders = ["code"]\nar = "{code}"\nen = "none"',
        'placeholders = []\nen = "only English"',
        'placeholders = []\nar = "a } alone"',
        'placeholders = "code"\nar = "{code}"',
        'once = 1\nar = "text"',
    ],
)
def test_an_inconsistent_catalogue_is_refused(text: str) -> None:
    """The error occurs at the start of the service, not when a message is due."""
    with pytest.raises(ValueError, match="template x"):
        parse(f"[x]\n{text}")
