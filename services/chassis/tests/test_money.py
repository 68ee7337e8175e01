"""Conversion between Money messages and piastres."""

import pytest
from chassis.errors import to_status
from chassis.money import MAX_PIASTRES, MoneyInvalid, money, piastres
from google.rpc import error_details_pb2
from google.type.money_pb2 import Money
from hypothesis import given
from hypothesis import strategies as st

amounts = st.integers(-MAX_PIASTRES, MAX_PIASTRES)


@given(amounts)
def test_an_amount_survives_a_round_trip(amount: int) -> None:
    """Negative amounts too."""
    assert piastres(money(amount), "fee") == amount


@given(amounts)
def test_units_and_nanos_have_one_sign(amount: int) -> None:
    """google.type.Money requires it; the currency is EGP."""
    converted = money(amount)

    assert converted.currency_code == "EGP"
    assert converted.units * converted.nanos >= 0
    assert abs(converted.nanos) < 10**9


def test_pounds_are_units_and_piastres_hundredths() -> None:
    """The example is 108.50 pounds, positive and negative."""
    assert money(10_850) == Money(currency_code="EGP", units=108, nanos=500_000_000)
    assert money(-10_850) == Money(currency_code="EGP", units=-108, nanos=-500_000_000)
    assert money(-5) == Money(currency_code="EGP", nanos=-50_000_000)


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        (Money(), "fee.currency_code"),
        (Money(currency_code="USD", units=1), "fee.currency_code"),
        (Money(currency_code="egp", units=1), "fee.currency_code"),
        (Money(currency_code="EGP", nanos=1), "fee.nanos"),
        (Money(currency_code="EGP", units=1, nanos=9_999_999), "fee.nanos"),
        (Money(currency_code="EGP", nanos=1_000_000_000), "fee.nanos"),
        (Money(currency_code="EGP", nanos=-1_000_000_000), "fee.nanos"),
        (Money(currency_code="EGP", units=1, nanos=-10_000_000), "fee.nanos"),
        (Money(currency_code="EGP", units=-1, nanos=10_000_000), "fee.nanos"),
        (Money(currency_code="EGP", units=MAX_PIASTRES // 100, nanos=10_000_000), "fee.units"),
        (Money(currency_code="EGP", units=-(2**63)), "fee.units"),
    ],
)
def test_an_amount_that_is_not_in_whole_piastres_is_refused(wrong: Money, field: str) -> None:
    """The error names the invalid field."""
    with pytest.raises(MoneyInvalid) as raised:
        piastres(wrong, "fee")

    assert raised.value.field == field


@given(st.integers(-(2**63), 2**63 - 1), st.integers(-(2**31), 2**31 - 1))
def test_any_money_is_piastres_or_refused(units: int, nanos: int) -> None:
    """Nothing is rounded: an accepted amount converts back to the same message."""
    message = Money(currency_code="EGP", units=units, nanos=nanos)

    try:
        amount = piastres(message, "fee")
    except MoneyInvalid:
        return

    assert money(amount) == message


def test_a_refused_amount_is_an_invalid_argument() -> None:
    """The error names the field, in every service."""
    status = to_status(
        MoneyInvalid("Amounts are in EGP.", field="fee.currency_code"), "payments", frozenset()
    )

    info, bad = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest()
    assert status.code == 3
    assert status.details[0].Unpack(info)
    assert status.details[1].Unpack(bad)
    assert info.reason == "MONEY_INVALID"
    assert [violation.field for violation in bad.field_violations] == ["fee.currency_code"]
