"""Notification on a real store and broker, started once per module."""

from notification.__main__ import build
from notification.errors import ERRORS
from notification.settings import Settings
from notification.store import SCHEMA_VERSION
from testkit.service import service_fixture

trial = service_fixture("notification", Settings, build, errors=ERRORS, schema_version=SCHEMA_VERSION)
