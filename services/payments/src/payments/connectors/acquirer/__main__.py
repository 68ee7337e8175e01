"""`python -m payments.connectors.acquirer`: run the acquirer connector; `--help` lists its settings."""

from chassis import greenlets

greenlets.patch()

from chassis import key_files  # noqa: E402
from chassis.connector import run  # noqa: E402

from payments.connectors.acquirer.connector import AcquirerConnector  # noqa: E402
from payments.connectors.acquirer.settings import Settings  # noqa: E402

run(
    AcquirerConnector,
    Settings,
    check_keys=lambda settings: key_files.read_hex(settings.callback_key_path),
)
