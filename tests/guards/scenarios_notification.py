"""Notification has no changing RPC; its tokens are checked with a reading one."""

from collections.abc import Callable, Mapping

from demo.journey import Journey
from diwan.notification.v1 import notification_pb2 as notification

from .actors import Actors
from .scenario import PrincipalCall, Scenario


def principal_call(_: Journey) -> PrincipalCall:
    return "ListMessages", notification.ListMessagesRequest()


SERVICE = "diwan.notification.v1.NotificationService"
SCENARIOS: Mapping[str, Callable[[Actors], Scenario]] = {}
