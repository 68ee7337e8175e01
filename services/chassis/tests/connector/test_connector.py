"""The connectors' runtime, in a program of its own against a real broker."""

import pika
import pytest
from chassis.messaging import headers
from diwan.notification.v1 import sms_pb2
from testkit.connectors import eventually, http, take

from .conftest import Scene

pytestmark = pytest.mark.real

QUEUE = "sms.notification.message"
PARKED = f"{QUEUE}.parked"


def parked(scene: Scene) -> tuple[bytes, dict[str, object]]:
    """The one parked message."""
    (found,) = eventually(lambda: take(scene.side.broker, "operator", PARKED))
    return found


def put(scene: Scene, user: str, key: str, body: bytes, told: dict[str, object]) -> None:
    """Put a message straight on one of the connector's queues."""
    with scene.side.broker.connect(user) as connection:
        properties = pika.BasicProperties(user_id=user, headers=told)
        connection.channel().basic_publish("sms.retry", key, body, properties)


def test_outcome_is_published_as_an_event(scene: Scene) -> None:
    """What a handler returns goes out with all attributes, caused by the delivery."""
    message_id = scene.ask("done", correlationid="R-7")

    said, told = scene.side.hears(sms_pb2.SmsSubmitted)

    assert said.message_id == message_id
    assert told[headers.SOURCE] == "diwan/sms"
    assert told[headers.SPECVERSION] == "1.0"
    assert told[headers.CORRELATION] == "R-7"
    assert told[headers.CAUSATION]
    assert not [name for name in told if name.startswith("nameko")]


def test_retry_comes_back_with_its_progress(scene: Scene) -> None:
    """A message put aside comes back, and knows what the first try left."""
    scene.ask("count")

    said, _ = scene.side.hears(sms_pb2.SmsSubmitted)

    assert list(said.part_ids) == ["half"]


def test_handler_that_raises_is_tried_again_and_parked(scene: Scene) -> None:
    """A fault is a try that came to nothing: after the last one the message waits for an operator."""
    scene.ask("raise")

    _, told = parked(scene)

    assert told["diwan-reason"] == "RuntimeError"
    assert told["diwan-attempt"] == 2
    assert told["diwan-user"] == "notification"
    assert "+201012345678" not in scene.program.log.read_text()


def test_handler_that_raises_keeps_its_progress(scene: Scene) -> None:
    """What an earlier try left is still known when a later one came to nothing; what was raised is not quoted."""
    scene.ask("count, then raise")

    _, told = parked(scene)

    assert told["diwan-reason"] == "RuntimeError"
    assert told["diwan-progress"] == "half"
    assert "Hassanein" not in scene.program.log.read_text()


def test_giving_up_is_told(scene: Scene) -> None:
    """Beside the parking, the service learns that nothing came of it."""
    message_id = scene.ask("give up")

    said, _ = scene.side.hears(sms_pb2.SmsRefused)

    assert said.message_id == message_id
    parked(scene)


def test_operator_puts_a_parked_message_back(scene: Scene) -> None:
    """A parked copy, put back by an operator, is worked on anew."""
    scene.ask("give up")
    body, told = parked(scene)
    told.pop("user_id")
    scene.side.heard(sms_pb2.SmsRefused)

    put(scene, "operator", QUEUE, body, {**told, "diwan-attempt": 0})

    again = parked(scene)[1]
    assert again["diwan-attempt"] == 2
    assert again[headers.ID] == told[headers.ID]


def test_nonsense_is_parked_and_holds_up_nobody(scene: Scene) -> None:
    """A message that is no message is parked with a reason; the next one is worked on."""
    for _ in range(2):
        put(scene, "sms", QUEUE, b"\xff\x00", {"diwan-user": "notification"})
    message_id = scene.ask("done")

    said, _ = scene.side.hears(sms_pb2.SmsSubmitted)

    assert said.message_id == message_id
    found: list[tuple[bytes, dict[str, object]]] = []
    eventually(lambda: found.extend(take(scene.side.broker, "operator", PARKED)) or len(found) == 2)
    assert {told["diwan-reason"] for _, told in found} == {"ATTRIBUTES"}


def test_message_of_another_type_is_parked(scene: Scene) -> None:
    """Only what the entrypoint was made for is opened."""
    scene.ask("done", type="diwan.notification.v1.SmsRefused")

    assert parked(scene)[1]["diwan-reason"] == "TYPE"


def test_field_sealed_for_another_event_is_parked(scene: Scene) -> None:
    """A sealed text that was cut out of one command and pasted into another does not open."""
    scene.ask("done", id="00000000-0000-4000-8000-000000000000")

    assert parked(scene)[1]["diwan-reason"] == "SEALED_FIELD_UNREADABLE"


def test_sigterm_waits_for_a_slow_handler(scene: Scene) -> None:
    """What is being worked on is finished, told of and acked; a dead collector does not hold the end up."""
    first = scene.ask("slow")
    eventually(lambda: _begun(scene, first))

    assert scene.program.stop() == 0

    said, _ = scene.side.hears(sms_pb2.SmsSubmitted)
    assert said.message_id == first
    scene.program.start()
    # Not acked it would come again, before what is asked for now and no faster.
    second = scene.ask("slow")
    heard: list[str] = []
    eventually(lambda: heard.extend(_submitted(scene)) or second in heard)
    assert heard == [second]


def _begun(scene: Scene, message_id: str) -> bool:
    lines = scene.program.log.read_text().splitlines()
    return any("slow work begins" in line and message_id in line for line in lines)


def _submitted(scene: Scene) -> list[str]:
    return [said.message_id for said, _ in scene.side.heard(sms_pb2.SmsSubmitted)]


def test_health_is_answered_beside_busy_workers(scene: Scene) -> None:
    """Health needs no worker."""
    for _ in range(60):
        scene.ask("slow")

    assert http("GET", f"{scene.url}/healthz")[0] == 200

    status, text = http("GET", f"{scene.url}/readyz")
    assert (status, text) == (200, "consumer ok\npublisher ok\nserving ok\n")
    heard: list[str] = []
    eventually(lambda: heard.extend(_submitted(scene)) or len(heard) == 60, 90)


def test_unknown_paths_and_methods_are_refused(scene: Scene) -> None:
    """404 for a path nobody serves, 405 for another method."""
    assert http("GET", f"{scene.url}/secrets")[0] == 404
    assert http("POST", f"{scene.url}/healthz", b"")[0] == 405
