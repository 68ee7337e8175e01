"""google.type.Money at the edge, whole piastres inside."""

from google.type.money_pb2 import Money

from payments.model.errors import MoneyInvalid

CURRENCY = "EGP"
MOST_PIASTRES = 10**14
"""A million million pounds: far from where 64 bits end."""

_PIASTRES_A_POUND = 100
_NANOS_A_PIASTRE = 10_000_000


def money(piastres: int) -> Money:
    """Piastres as Money; units and nanos have one sign."""
    sign = -1 if piastres < 0 else 1
    pounds, rest = divmod(abs(piastres), _PIASTRES_A_POUND)
    return Money(currency_code=CURRENCY, units=sign * pounds, nanos=sign * rest * _NANOS_A_PIASTRE)


def piastres(money: Money, field: str) -> int:
    """Money as piastres.

    Raises:
        MoneyInvalid: another currency, parts of a piastre, units and nanos of two signs, or too much; with the
            path of the field.
    """
    if money.currency_code != CURRENCY:
        raise MoneyInvalid("Amounts are in EGP.", field=f"{field}.currency_code")
    if money.nanos % _NANOS_A_PIASTRE or abs(money.nanos) >= _PIASTRES_A_POUND * _NANOS_A_PIASTRE:
        raise MoneyInvalid("Amounts are whole piastres.", field=f"{field}.nanos")
    if money.units * money.nanos < 0:
        raise MoneyInvalid("Units and nanos have one sign.", field=f"{field}.nanos")
    amount = int(money.units) * _PIASTRES_A_POUND + int(money.nanos) // _NANOS_A_PIASTRE
    if abs(amount) > MOST_PIASTRES:
        raise MoneyInvalid("The amount is too large.", field=f"{field}.units")
    return amount
