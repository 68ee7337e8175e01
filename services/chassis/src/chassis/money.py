"""Money: `google.type.Money` at the edges, a whole number of piastres inside, never a float.

Imports neither gRPC nor the store: connectors use it too.
"""

from google.type.money_pb2 import Money

from chassis.errors import ChassisError

CURRENCY = "EGP"
PIASTRES_A_POUND = 100
MAX_PIASTRES = 10**14
"""10^12 pounds, far below the limit of 64 bits."""

_NANOS_A_PIASTRE = 10_000_000


class MoneyInvalid(ChassisError):
    """The amount is not a whole number of piastres in EGP, or too large."""

    reason = "MONEY_INVALID"
    code = "INVALID_ARGUMENT"


def money(piastres: int) -> Money:
    """Piastres as Money; units and nanos have the same sign."""
    sign = -1 if piastres < 0 else 1
    pounds, rest = divmod(abs(piastres), PIASTRES_A_POUND)
    return Money(currency_code=CURRENCY, units=sign * pounds, nanos=sign * rest * _NANOS_A_PIASTRE)


def piastres(money: Money, field: str) -> int:
    """Money as piastres.

    Args:
        money: amount in a message.
        field: its path in that message, for the error.

    Raises:
        MoneyInvalid: another currency, fractions of a piastre, units and nanos of different signs, or too large;
            with the path of the field.
    """
    if money.currency_code != CURRENCY:
        raise MoneyInvalid("Amounts are in EGP.", field=f"{field}.currency_code")
    if money.nanos % _NANOS_A_PIASTRE or abs(money.nanos) >= PIASTRES_A_POUND * _NANOS_A_PIASTRE:
        raise MoneyInvalid("Amounts are whole piastres.", field=f"{field}.nanos")
    if money.units * money.nanos < 0:
        raise MoneyInvalid("Units and nanos have one sign.", field=f"{field}.nanos")
    amount = int(money.units) * PIASTRES_A_POUND + int(money.nanos) // _NANOS_A_PIASTRE
    if abs(amount) > MAX_PIASTRES:
        raise MoneyInvalid("The amount is too large.", field=f"{field}.units")
    return amount
