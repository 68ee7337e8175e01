"""`python -m payments.connectors.acquirer`: run the acquirer connector; `--help` lists its settings."""

from chassis import greenlets

greenlets.patch()

from chassis.connector import run  # noqa: E402

from payments.connectors.acquirer.connector import AcquirerConnector  # noqa: E402
from payments.connectors.acquirer.settings import Settings  # noqa: E402

run(AcquirerConnector, Settings)
