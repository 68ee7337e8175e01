"""The platform table: its derived values, and its refusals of wrong entries with line and reason."""

import re
from pathlib import Path

import pytest
import yaml
from platform_table.facts import stated
from platform_table.load import TableError, load, platform
from platform_table.table import TABLE

TEXT = TABLE.read_text(encoding="utf-8")
CASES = yaml.safe_load((Path(__file__).parent / "wrong_entries.yaml").read_text(encoding="utf-8"))


def refusal(tmp_path: Path, text: str) -> tuple[int, str]:
    """Return line and reason of the refusal of a table."""
    path = tmp_path / "platform.yaml"
    path.write_text(text)
    with pytest.raises(TableError) as refused:
        load(path)
    match = re.fullmatch(rf"{re.escape(str(path))}:(\d+): (.+)", str(refused.value))
    assert match, refused.value
    return int(match[1]), match[2]


def line_of(text: str, wanted: str) -> int:
    """Return the number of the first line that contains a text, from 1."""
    return 1 + next(at for at, line in enumerate(text.splitlines()) if wanted in line)


def entry(name: str) -> str:
    """Return the lines of an entry of the checkout's table."""
    match = re.search(rf"^  {name}:\n(?:    .*\n)+", TEXT, re.MULTILINE)
    assert match
    return match[0]


def changed(name: str | None, old: str, new: str) -> str:
    """Return the table with a text replaced in one entry, or in the whole table."""
    before = entry(name) if name else TEXT
    assert old in before
    return TEXT.replace(before, before.replace(old, new, 1))


@pytest.mark.parametrize("case", CASES, ids=[case["case"] for case in CASES])
def test_a_wrong_entry_is_refused(tmp_path: Path, case: dict[str, str]) -> None:
    """The error has the line and the reason."""
    program, at = case.get("program"), case.get("at") or case["new"].partition("\n")[0]
    text = changed(program, case["old"], case["new"])
    # A text that is in many entries is searched from this entry on; the name of an entry, in the whole table.
    before = text.index(f"\n  {program}:\n") + 1 if program and not at.startswith("  ") else 0
    line = text[:before].count("\n") + line_of(text[before:], at)

    assert refusal(tmp_path, text) == (line, case["reason"])


def test_a_table_without_identity_is_refused(tmp_path: Path) -> None:
    """It issues the tokens."""
    assert refusal(tmp_path, TEXT.replace(entry("identity"), "")) == (
        line_of(TEXT, "programs:"),
        "the table lacks identity",
    )


def test_an_empty_file_is_refused(tmp_path: Path) -> None:
    """The error names the first missing section."""
    assert refusal(tmp_path, "") == (1, "the table lacks 'broker'")


def test_a_second_operator_is_refused(tmp_path: Path) -> None:
    """The operator has its own permissions on the broker."""
    second = entry("operator").replace("  operator:", "  auditor:")
    second = second.replace("diwanctl", "notification.connectors.sms")
    text = TEXT.replace(entry("sms"), "").replace('      sms.message: "*"\n', "") + second

    assert refusal(tmp_path, text) == (
        line_of(text, "  auditor:"),
        "auditor and operator are both the operator; the table has one",
    )


def test_a_missing_exchange_of_the_protos_is_refused(tmp_path: Path) -> None:
    """An exchange is required even if no program reads it."""
    text = changed("identity", "[events, commands]", "[events]").replace(
        "      identity.message: [send]\n", ""
    )

    assert refusal(tmp_path, text) == (
        line_of(text, "  identity:"),
        "protos state messages on identity.commands, which identity does not publish",
    )


def test_the_reserved_field_stream_is_loaded(tmp_path: Path) -> None:
    """Its value is a number of days."""
    path = tmp_path / "platform.yaml"
    path.write_text(changed("notary", "publishes: [events]", "publishes: [events]\n    stream: {days: 7}"))

    assert load(path).programs["notary"].stream_days == 7


@pytest.mark.parametrize("kind", ["web", "job"])
def test_a_program_without_store_and_broker_is_a_client_only(tmp_path: Path, kind: str) -> None:
    """It is neither a user of the broker nor an audience; it calls services with a token of identity."""
    path = tmp_path / "platform.yaml"
    text = TEXT.replace(entry("operator"), entry("operator").replace("kind: operator", f"kind: {kind}"))
    path.write_text(text)

    table = load(path)

    assert "operator" not in {*table.users, *table.services, *table.readers}
    assert "operator" in table.clients
    assert "operator" in {program.name for program in table.installed}


def test_queues_keys_and_clients_are_derived() -> None:
    """The entries do not contain them."""
    table = platform()

    assert [read.queue for read in table.programs["acquirer"].reads] == [
        "acquirer.payments.charge",
        "acquirer.payments.inquiry",
    ]
    assert [(r.exchange, r.keys) for r in table.programs["acquirer"].reads] == [
        ("payments.commands", ("charge.request.v1",)),
        ("payments.commands", ("charge.inquire.v1",)),
    ]
    assert table.programs["identity"].reads[0].keys == ("person.registered.v1",)
    assert sorted(table.clients) == sorted((*table.services, "operator"))


def test_facts_are_read_from_the_protos() -> None:
    """They are grouped by exchange and entity, without the version."""
    assert stated()["payments.events"]["payment"] == {"due", "settled", "refused", "overpaid"}
    assert stated()["notification.commands"] == {"message": {"submit"}}
