"""`python -m notification.connectors.sms`: run the SMS connector; `--help` lists its settings."""

import eventlet

eventlet.monkey_patch()  # before anything else is imported: it may keep what it finds

from chassis.connector import run  # noqa: E402

from notification.connectors.sms.connector import SmsConnector  # noqa: E402
from notification.connectors.sms.settings import SmsSettings  # noqa: E402

run(SmsConnector, SmsSettings)
