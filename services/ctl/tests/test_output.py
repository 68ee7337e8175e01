"""The output of the command line."""

import json

import click
import pytest
from click.testing import CliRunner
from diwan.payments.v1 import payments_pb2
from diwanctl.output import as_dict, emit, formatted
from google.protobuf.timestamp_pb2 import Timestamp
from google.type import date_pb2, money_pb2


def printed(value, *, as_json=False, columns=200, **more):
    @click.command()
    @click.option("--json", "as_json", is_flag=True)
    @click.pass_context
    def command(context, as_json):
        emit(context, value, **more)

    result = CliRunner(env={"COLUMNS": str(columns) if columns else None}).invoke(
        command, ["--json"] if as_json else []
    )
    assert result.exit_code == 0, result.output
    return result.output


def tariff():
    fees = [
        payments_pb2.Fee(
            service="notary.power_of_attorney.general",
            channel=channel,
            valid_from=date_pb2.Date(year=2026, month=1, day=31),
            valid_until=until,
            amount=money_pb2.Money(currency_code="EGP", units=120, nanos=500_000_000),
        )
        for channel, until in (("*", None), ("post_office", date_pb2.Date(year=2026, month=12, day=31)))
    ]
    return as_dict(
        payments_pb2.Tariff(tariff_id="t-1", fees=fees, publish_time=Timestamp(seconds=1_769_817_600))
    )


def test_rows_within_a_message_are_a_table_below_it():
    """Each field of any row has a column; money and dates are formatted for people."""
    lines = printed(tariff()).splitlines()

    head, first, second = lines[-3:]
    assert lines[0].split() == ["tariff_id", "t-1"]
    assert lines[-4] == "fees:"
    assert "valid_until" in head.split()
    assert "2026-12-31" not in first
    assert all("2026-01-31" in row and "120.50 EGP" in row for row in (first, second))
    assert "2026-12-31" in second


def test_json_output_is_that_of_the_proto():
    """It is not formatted for people."""
    assert json.loads(printed(tariff(), as_json=True)) == tariff()


def test_a_wide_column_is_only_in_the_json_output():
    """The table leaves it out."""
    rows = [{"state": "DELIVERED", "attempts": [{"state": "PENDING"}]}]

    assert printed(rows, without=("attempts",)).split() == ["state", "DELIVERED"]
    assert json.loads(printed(rows, as_json=True, without=("attempts",))) == rows


def test_an_empty_list_is_printed_as_none():
    assert printed([]) == "none\n"


@pytest.mark.parametrize(
    ("units", "nanos", "text"),
    [("0", 0, "0.00 EGP"), ("-1", -500_000_000, "-1.50 EGP"), ("0", -10_000_000, "-0.01 EGP")],
)
def test_money_keeps_its_sign(units, nanos, text):
    """Units and nanos of a negative amount are both negative."""
    assert formatted({"currency_code": "EGP", "units": units, "nanos": nanos}) == text


def test_rows_within_a_row_are_lines():
    """The legs of a journal entry are an example."""
    legs = [
        {"account": account, "amount": {"currency_code": "EGP", "units": units, "nanos": 0}}
        for account, units in (("acquirer", "108"), ("agency/notary", "-108"))
    ]

    assert formatted(legs) == "acquirer  108.00 EGP\nagency/notary  -108.00 EGP"


ID, CHARGE = "4c1f7a52-0d7e-4a55-9c3e-2f64b1d3a001", "9b0e6c2d-7f11-4f0a-8d53-5a1c0a7be002"
PARKED = {
    "parked_id": ID,
    "causing_charge_reference": CHARGE,
    "reason": "CONTACT_UNKNOWN",
    "time": "2026-11-29T14:00:00Z",
    "amount": {"currency_code": "EGP", "units": "120", "nanos": 0},
    "explanation": "The account has no contact yet, and its event may follow later.",
}


@pytest.mark.parametrize("columns", [20, 40, 60, 80, 100, 120, 200, 0])
@pytest.mark.parametrize("value", [[PARKED, PARKED], PARKED, {"case": ID, "rows": [PARKED]}], ids=str)
def test_no_width_breaks_an_id_or_a_heading(columns, value):
    """Each is on one line, whether the rows are a table or, on a narrow terminal, records; 0 is a file or pipe."""
    lines = printed(value, columns=columns).splitlines()

    for word in (ID, CHARGE, "CONTACT_UNKNOWN", "2026-11-29T14:00:00Z", "120.00 EGP", *PARKED):
        assert any(word in line for line in lines), (word, lines)
    if columns >= 40:
        assert all(
            len(line.rstrip()) <= columns
            for line in lines
            if "explanation" not in line and "The " not in line
        )


def test_a_row_in_a_pipe_is_one_line():
    """Other programs read it."""
    head, row = printed([PARKED], columns=0).splitlines()

    assert head.split() == list(PARKED)
    assert row.startswith(ID)
    assert row.rstrip().endswith("may follow later.")


def test_a_wide_terminal_wraps_prose_only():
    """Rows stay a table as long as the words of every column fit."""
    lines = printed([PARKED], columns=170).splitlines()

    assert lines[0].split() == list(PARKED)
    assert ID in lines[1]
    assert len(lines) > 2


@pytest.mark.parametrize("columns", [20, 200, 0])
@pytest.mark.parametrize("text", ["[/x]", "[red]alert[/red]", "urn:key:1", "a[b]"])
def test_a_value_is_no_markup(text, columns):
    """It is printed as it is, in a table and in a record."""
    for value in ([{"reason": text}], {"reason": text}):
        assert text in printed(value, columns=columns)


@pytest.mark.parametrize("value", ["\x1b[2Jred", "\x9b2Jred", {"deep": ["\x9b2Jred"]}])
def test_a_value_does_not_control_the_terminal(value):
    """Headers of parked messages come from outside."""
    output = printed([{"reason": value}])

    assert "red" in output
    assert not {"\x1b", "\x9b"} & set(output)
