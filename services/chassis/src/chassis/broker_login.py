"""Refused logins at the broker: a process logs user and vhost, and ends after a minute.

The process reads the credential at its start. Its supervisor starts it again, with the credential as it is then: on
Kubernetes that of the corrected Secret.
"""

import time
from collections.abc import Callable
from typing import Final
from urllib.parse import unquote, urlsplit

from chassis import log
from chassis.settings import WrongSetting

# A broker that is just starting refuses users until it has loaded its definitions.
LIMIT_SECONDS: Final = 60.0

_log = log.get(__name__)


class BrokerLogin:
    """The logins of one connection after another."""

    def __init__(self, uri: str, connection: str, clock: Callable[[], float] = time.monotonic) -> None:
        """Take user and vhost from the broker's URI; `connection` is the name in log lines."""
        parts = urlsplit(uri)
        self._user = unquote(parts.username or "guest")
        self._vhost = unquote(parts.path[1:]) or "/"
        self._connection = connection
        self._clock = clock
        self._refused_since: float | None = None

    def accepted(self) -> None:
        """The broker has accepted the login, or is away."""
        self._refused_since = None

    def refused(self) -> None:
        """The broker has refused the login; WrongSetting when it has done so for a minute."""
        _log.error(
            "broker refuses the login",
            connection=self._connection,
            reason="ACCESS_REFUSED",
            user=self._user,
            vhost=self._vhost,
        )
        now = self._clock()
        self._refused_since = self._refused_since if self._refused_since is not None else now
        if now - self._refused_since >= LIMIT_SECONDS:
            raise WrongSetting(
                f"the broker refuses the user {self._user} on the vhost {self._vhost} (ACCESS_REFUSED); "
                "correct user and password in BROKER_URI, or the user in the broker"
            )
