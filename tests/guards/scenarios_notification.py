"""Notification has no changing RPC; the call with which its tokens are checked."""

from collections.abc import Callable, Mapping

from demo.journey import Journey
from diwan.notification.v1 import notification_pb2 as notification

from .actors import Actors
from .scenario import Question, Scenario


def question(_: Journey) -> Question:
    return "ListMessages", notification.ListMessagesRequest()


SERVICE = "diwan.notification.v1.NotificationService"
SCENARIOS: Mapping[str, Callable[[Actors], Scenario]] = {}
