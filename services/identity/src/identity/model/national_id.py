"""The national ID (الرقم القومي): 14 digits, for century, birth date, governorate, serial number and check digit."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date

from identity.model.errors import NationalIdInvalid

_LENGTH = 14
_CENTURIES: Mapping[str, int] = {"2": 1900, "3": 2000}
BORN_ABROAD = "88"
GOVERNORATES: frozenset[str] = frozenset(
    {"01", "02", "03", "04", "11", "12", "13", "14", "15", "16", "17", "18", "19", "21", "22", "23", "24"}
    | {"25", "26", "27", "28", "29", "31", "32", "33", "34", "35"}
)

CheckDigitRule = Callable[[str], bool]


def no_rule(digits: str) -> bool:  # noqa: ARG001 -- a rule without a condition
    """Accept any check digit: no official rule is published."""
    return True


def weighted_mod_11(digits: str) -> bool:
    """The commonly cited, unofficial rule: a weighted sum, 11 less its remainder by 11."""
    weights = (2, 7, 6, 5, 4, 3, 2, 7, 6, 5, 4, 3, 2)
    total = sum(weight * int(digit) for weight, digit in zip(weights, digits[:13], strict=True))
    return (11 - total % 11) % 10 == int(digits[13])


CHECK_DIGIT_RULES: Mapping[str, CheckDigitRule] = {"none": no_rule, "weighted_mod_11": weighted_mod_11}


@dataclass(frozen=True)
class NationalId:
    """A well-formed national ID; `repr` omits its digits, so that they reach no log by accident."""

    digits: str = field(repr=False)

    @classmethod
    def parse(cls, digits: str, *, today: date, rule: CheckDigitRule = no_rule) -> "NationalId":
        """Check a national ID of digits 0-9; NationalIdInvalid with the wrong `part`."""
        if len(digits) != _LENGTH or not (digits.isascii() and digits.isdigit()):
            raise NationalIdInvalid(part="structure")
        if digits[0] not in _CENTURIES:
            raise NationalIdInvalid(part="century")
        try:
            born = _birth_date(digits)
        except ValueError:
            raise NationalIdInvalid(part="birth_date") from None
        if born > today:
            raise NationalIdInvalid(part="birth_date")
        if digits[7:9] not in GOVERNORATES and digits[7:9] != BORN_ABROAD:
            raise NationalIdInvalid(part="governorate")
        if not rule(digits):
            raise NationalIdInvalid(part="check_digit")
        return cls(digits)

    @property
    def birth_date(self) -> date:
        return _birth_date(self.digits)


def _birth_date(digits: str) -> date:
    return date(_CENTURIES[digits[0]] + int(digits[1:3]), int(digits[3:5]), int(digits[5:7]))
