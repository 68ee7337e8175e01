"""`diwan`: the operators' command line."""

from pathlib import Path

import click

from diwanctl import document, ledger, message, officer, parked, status, tariff


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of tables.")
@click.option(
    "--config",
    "config_path",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Configuration file; else DIWAN_CONFIG, else ~/.config/diwan/config.yaml.",
)
def main(as_json: bool, config_path: Path | None) -> None:
    """Operate Diwan: officers, tariffs, the journal, messages, and parked messages."""


for group in (officer.officer, tariff.tariff, ledger.ledger, message.message, parked.parked):
    main.add_command(group)
main.add_command(document.verify)
main.add_command(status.status)
