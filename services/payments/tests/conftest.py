"""Payments on a real store and broker, started once per module."""

from payments.__main__ import build
from payments.errors import ERRORS
from payments.settings import Settings
from payments.store import SCHEMA_VERSION
from testkit.service import service_fixture

trial = service_fixture("payments", Settings, build, errors=ERRORS, schema_version=SCHEMA_VERSION)
