"""Notification's own metrics: messages by state, and the delivery time of one-time codes."""

from chassis.telemetry import Telemetry

from notification.model import Message, MessageState

_SECONDS = (0.1, 0.25, 0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300)


class Metrics:
    """Notification's own metrics. Labels are template keys and states, never personal data."""

    def __init__(self, telemetry: Telemetry) -> None:
        self._messages = telemetry.counter(
            "diwan_notification_messages", "Messages that entered a state", ("template", "state")
        )
        self._contradicting = telemetry.counter(
            "diwan_notification_contradicting_receipts",
            "Receipts that contradict an earlier receipt of their part",
            ("template",),
        )
        self._code_seconds = telemetry.histogram(
            "diwan_notification_code_delivery_seconds",
            "Time from the request for a one-time code to its receipt",
            ("template",),
            _SECONDS,
        )

    def moved(self, before: Message | None, after: Message) -> None:
        """Count a message whose state changed; observe the delivery time of a code."""
        if before is not None and before.state is after.state:
            return
        self._messages.labels(after.template, after.state.value).inc()
        if after.once and after.state is MessageState.DELIVERED:
            seconds = (after.steps[-1].time - after.create_time).total_seconds()
            self._code_seconds.labels(after.template).observe(seconds)

    def contradicted(self, message: Message) -> None:
        """Count a receipt that contradicts an earlier one of its part."""
        self._contradicting.labels(message.template).inc()
