"""`python -m payments.connectors.acquirer`: run the acquirer connector; `--help` lists its settings."""

import warnings

# What eventlet says of its own future at every start is no news to who reads a pod's first lines.
warnings.filterwarnings("ignore", message=r"\s*Eventlet is deprecated")

import eventlet  # noqa: E402

eventlet.monkey_patch()  # before anything else is imported: it may keep what it finds

from chassis.connector import run  # noqa: E402

from payments.connectors.acquirer.connector import AcquirerConnector  # noqa: E402
from payments.connectors.acquirer.settings import AcquirerSettings  # noqa: E402

run(AcquirerConnector, AcquirerSettings)
