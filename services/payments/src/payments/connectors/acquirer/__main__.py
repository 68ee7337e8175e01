"""`python -m payments.connectors.acquirer`: run the acquirer connector; `--help` lists its settings."""

import eventlet

eventlet.monkey_patch()  # before anything else is imported: it may keep what it finds

from chassis.connector import run  # noqa: E402

from payments.connectors.acquirer.connector import AcquirerConnector  # noqa: E402
from payments.connectors.acquirer.settings import AcquirerSettings  # noqa: E402

run(AcquirerConnector, AcquirerSettings)
