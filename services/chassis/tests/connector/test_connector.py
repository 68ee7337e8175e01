"""The runtime of connectors, in a separate process with a real broker."""

import time

import pika
import pytest
from chassis.messaging import headers
from diwan.notification.v1 import sms_pb2
from testkit.connectors import eventually, http, take

from .conftest import Scene

pytestmark = [pytest.mark.real, pytest.mark.process]

QUEUE = "sms.notification.message"
PARKED = f"{QUEUE}.parked"


def parked(scene: Scene) -> tuple[bytes, dict[str, object]]:
    """Wait for the parked message; return its body and headers."""
    (message,) = eventually(lambda: take(scene.side.broker, "operator", PARKED))
    return message


def put(scene: Scene, user: str, key: str, body: bytes, attributes: dict[str, object]) -> None:
    """Publish a message directly to one of the connector's queues."""
    with scene.side.broker.connect(user) as connection:
        properties = pika.BasicProperties(user_id=user, headers=attributes)
        connection.channel().basic_publish("sms.retry", key, body, properties)


def test_outcome_is_published_as_an_event(scene: Scene) -> None:
    """The event of a handler has all attributes, with the delivery as its cause."""
    message_id = scene.request("done", correlationid="R-7")

    event, attributes = scene.side.hears(sms_pb2.SmsSubmitted)

    assert event.message_id == message_id
    assert attributes[headers.SOURCE] == "diwan/sms"
    assert attributes[headers.SPECVERSION] == "1.0"
    assert attributes[headers.CORRELATION] == "R-7"
    assert attributes[headers.CAUSATION]
    assert not [name for name in attributes if name.startswith("nameko")]


def test_retry_is_delivered_with_its_progress(scene: Scene) -> None:
    """The second attempt receives the progress of the first."""
    scene.request("count")

    event, _ = scene.side.hears(sms_pb2.SmsSubmitted)

    assert list(event.part_ids) == ["half"]


def test_handler_that_raises_is_retried_and_parked(scene: Scene) -> None:
    """An exception is a failed attempt: after the last one the message waits for an operator."""
    scene.request("raise")

    _, attributes = parked(scene)

    assert attributes["diwan-reason"] == "RuntimeError"
    assert attributes["diwan-attempt"] == 2
    assert attributes["diwan-user"] == "notification"
    assert "+201012345678" not in scene.program.log.read_text()


def test_handler_that_raises_keeps_its_progress(scene: Scene) -> None:
    """The progress of an earlier attempt is kept after a failed one; the text of the exception is not logged."""
    scene.request("count, then raise")

    _, attributes = parked(scene)

    assert attributes["diwan-reason"] == "RuntimeError"
    assert attributes["diwan-progress"] == "half"
    assert "Hassanein" not in scene.program.log.read_text()


def test_last_failed_attempt_publishes_an_event(scene: Scene) -> None:
    """The message is parked, and the service is informed by the event."""
    message_id = scene.request("give up")

    event, _ = scene.side.hears(sms_pb2.SmsRefused)

    assert event.message_id == message_id
    parked(scene)


def test_message_replayed_by_an_operator_is_processed_again(scene: Scene) -> None:
    """A parked copy that an operator publishes again has a new count of attempts."""
    scene.request("give up")
    body, attributes = parked(scene)
    attributes.pop("user_id")
    scene.side.heard(sms_pb2.SmsRefused)

    put(scene, "operator", QUEUE, body, {**attributes, "diwan-attempt": 0})

    again = parked(scene)[1]
    assert again["diwan-attempt"] == 2
    assert again[headers.ID] == attributes[headers.ID]


def test_invalid_message_is_parked_and_blocks_no_other(scene: Scene) -> None:
    """It is parked with a reason, and the next message is processed."""
    for _ in range(2):
        put(scene, "sms", QUEUE, b"\xff\x00", {"diwan-user": "notification"})
    message_id = scene.request("done")

    event, _ = scene.side.hears(sms_pb2.SmsSubmitted)

    assert event.message_id == message_id
    messages: list[tuple[bytes, dict[str, object]]] = []
    eventually(lambda: messages.extend(take(scene.side.broker, "operator", PARKED)) or len(messages) == 2)
    assert {attributes["diwan-reason"] for _, attributes in messages} == {"ATTRIBUTES"}


def test_message_of_another_type_is_parked(scene: Scene) -> None:
    """A handler receives only messages of its type."""
    scene.request("done", type="diwan.notification.v1.SmsRefused")

    assert parked(scene)[1]["diwan-reason"] == "TYPE"


def test_field_sealed_for_another_event_is_parked(scene: Scene) -> None:
    """A sealed field that was copied from another command cannot be opened."""
    scene.request("done", id="00000000-0000-4000-8000-000000000000")

    assert parked(scene)[1]["diwan-reason"] == "SEALED_FIELD_UNREADABLE"


def test_sigterm_waits_for_a_slow_handler(scene: Scene) -> None:
    """The delivery in progress is finished, published and acknowledged; a dead collector does not delay the stop."""
    first = scene.request("slow")
    eventually(lambda: _started(scene, first))

    scene.program.stop()

    event, _ = scene.side.hears(sms_pb2.SmsSubmitted)
    assert event.message_id == first
    scene.program.start()
    # Without its acknowledgement it would be delivered again, before the next command.
    second = scene.request("slow")
    submitted: list[str] = []
    eventually(lambda: submitted.extend(_submitted(scene)) or second in submitted)
    assert submitted == [second]


def _started(scene: Scene, message_id: str) -> bool:
    lines = scene.program.log.read_text().splitlines()
    return any("slow work begins" in line and message_id in line for line in lines)


def _submitted(scene: Scene) -> list[str]:
    return [event.message_id for event, _ in scene.side.heard(sms_pb2.SmsSubmitted)]


def test_health_is_answered_beside_busy_workers(scene: Scene) -> None:
    """The HTTP server needs no worker."""
    for _ in range(60):
        scene.request("slow")

    assert http("GET", f"{scene.url}/healthz")[0] == 200

    status, text = http("GET", f"{scene.url}/readyz")
    assert (status, text) == (200, "consumer ok\npublisher ok\nserving ok\n")
    submitted: list[str] = []
    eventually(lambda: submitted.extend(_submitted(scene)) or len(submitted) == 60, 90)


def test_unknown_paths_and_methods_are_refused(scene: Scene) -> None:
    """An unknown path is answered with 404, another method with 405."""
    assert http("GET", f"{scene.url}/secrets")[0] == 404
    assert http("POST", f"{scene.url}/healthz", b"")[0] == 405


def test_a_deleted_queue_costs_few_connections(scene: Scene) -> None:
    """Each attempt connects, and fails after that; the pauses between them grow, and end when the queue is back."""
    before = len(scene.program.log.read_text())

    def logged(event: str) -> int:
        return scene.program.log.read_text()[before:].count(event)

    with scene.side.broker.without(QUEUE):
        eventually(lambda: logged("consumer lost the broker") >= 3)
        time.sleep(4)
        assert logged("broker connected") <= 10

    message_id = scene.request("done")
    event, _ = scene.side.hears(sms_pb2.SmsSubmitted)
    assert event.message_id == message_id
