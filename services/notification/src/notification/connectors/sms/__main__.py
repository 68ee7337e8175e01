"""`python -m notification.connectors.sms`: run the SMS connector; `--help` lists its settings."""

from chassis import greenlets

greenlets.patch()

from chassis.connector import run  # noqa: E402

from notification.connectors.sms.connector import SmsConnector  # noqa: E402
from notification.connectors.sms.settings import Settings  # noqa: E402

run(SmsConnector, Settings)
