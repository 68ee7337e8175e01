"""The platform table: what it derives, and which entries it refuses, with line and reason."""

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
    """Line and reason of the refusal of a table."""
    path = tmp_path / "platform.yaml"
    path.write_text(text)
    with pytest.raises(TableError) as refused:
        load(path)
    found = re.fullmatch(rf"{re.escape(str(path))}:(\d+): (.+)", str(refused.value))
    assert found, refused.value
    return int(found[1]), found[2]


def line_of(text: str, wanted: str) -> int:
    """The first line that contains a text, from 1."""
    return 1 + next(at for at, line in enumerate(text.splitlines()) if wanted in line)


def entry(name: str) -> str:
    """An entry of the checkout's table, its lines as they stand there."""
    found = re.search(rf"^  {name}:\n(?:    .*\n)+", TEXT, re.MULTILINE)
    assert found
    return found[0]


def changed(name: str | None, old: str, new: str) -> str:
    """The table with another text in one entry, or anywhere."""
    before = entry(name) if name else TEXT
    assert old in before
    return TEXT.replace(before, before.replace(old, new, 1))


@pytest.mark.parametrize("case", CASES, ids=[case["case"] for case in CASES])
def test_a_wrong_entry_is_refused(tmp_path: Path, case: dict[str, str]) -> None:
    """With the line of what is wrong, and why."""
    program, at = case.get("program"), case.get("at") or case["new"].partition("\n")[0]
    text = changed(program, case["old"], case["new"])
    # What stands in many entries is looked for from this one on; the name of another entry, anywhere.
    before = text.index(f"\n  {program}:\n") + 1 if program and not at.startswith("  ") else 0
    line = text[:before].count("\n") + line_of(text[before:], at)

    assert refusal(tmp_path, text) == (line, case["reason"])


def test_a_table_without_identity_is_refused(tmp_path: Path) -> None:
    """Tokens come from it."""
    assert refusal(tmp_path, TEXT.replace(entry("identity"), "")) == (
        line_of(TEXT, "programs:"),
        "the table lacks identity",
    )


def test_an_empty_file_is_refused(tmp_path: Path) -> None:
    """With what it lacks."""
    assert refusal(tmp_path, "") == (1, "the table lacks 'broker'")


def test_there_is_one_operator(tmp_path: Path) -> None:
    """The broker gives it rights that nobody else has."""
    second = entry("operator").replace("  operator:", "  auditor:")
    second = second.replace("diwanctl", "notification.connectors.sms")
    text = TEXT.replace(entry("sms"), "").replace('      sms.message: "*"\n', "") + second

    assert refusal(tmp_path, text) == (
        line_of(text, "  auditor:"),
        "auditor and operator are both the operator; the table has one",
    )


def test_an_exchange_of_the_protos_is_published(tmp_path: Path) -> None:
    """Though nobody reads it."""
    text = changed("identity", "[events, commands]", "[events]").replace(
        "      identity.message: [send]\n", ""
    )

    assert refusal(tmp_path, text) == (
        line_of(text, "  identity:"),
        "protos state messages on identity.commands, which identity does not publish",
    )


def test_the_reserved_stream_is_taken(tmp_path: Path) -> None:
    """In its one form."""
    path = tmp_path / "platform.yaml"
    path.write_text(changed("notary", "publishes: [events]", "publishes: [events]\n    stream: {days: 7}"))

    assert load(path).programs["notary"].stream_days == 7


@pytest.mark.parametrize("kind", ["web", "job"])
def test_a_program_without_store_and_broker(tmp_path: Path, kind: str) -> None:
    """It is no user of the broker and no audience; it calls services as a client of identity."""
    path = tmp_path / "platform.yaml"
    text = TEXT.replace(entry("operator"), entry("operator").replace("kind: operator", f"kind: {kind}"))
    path.write_text(text)

    table = load(path)

    assert "operator" not in {*table.users, *table.services, *table.readers}
    assert "operator" in table.clients
    assert "operator" in {program.name for program in table.installed}


def test_what_follows_from_the_table() -> None:
    """Queues, keys and clients, as they are derived."""
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
    assert table.clients == (*table.services, "operator")


def test_facts_are_those_of_the_protos() -> None:
    """By exchange and entity, without the version."""
    assert stated()["payments.events"]["payment"] == {"due", "settled", "refused", "overpaid"}
    assert stated()["notification.commands"] == {"message": {"submit"}}
