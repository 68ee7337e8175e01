"""The parts of the connectors' runtime that need no broker."""

import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from chassis.connector.delivery import read_envelope
from chassis.connector.events import OutboundEvent, outbound
from chassis.connector.recent_deliveries import KEPT_MAX, RecentDeliveries
from chassis.connector.settings import ConnectorSettings
from chassis.key_ring import Binding, KeyRing, OpenError
from chassis.settings import explain, load
from diwan.notification.v1 import sms_pb2
from google.protobuf import json_format
from google.protobuf.message import Message
from testkit import processes
from testkit.keys import make_keys

QUEUE = "sms.notification.message"


@dataclass
class Raw:
    user: str | None
    headers: dict[str, object] = field(default_factory=dict)
    redelivered: bool = False
    body: Any = b"{}"

    @property
    def properties(self) -> dict[str, Any]:
        return {"user_id": self.user} if self.user else {}

    @property
    def delivery_info(self) -> dict[str, Any]:
        return {"redelivered": self.redelivered}


def test_a_connectors_secrets_may_be_in_files(monkeypatch, tmp_path) -> None:
    """`<VARIABLE>_FILE` names the file."""
    (tmp_path / "uri").write_text("amqp://from-file\n")
    monkeypatch.setenv("BROKER_URI_FILE", str(tmp_path / "uri"))
    monkeypatch.setenv("KEYS_DIR", str(tmp_path))

    assert ConnectorSettings().broker_uri == "amqp://from-file"


def test_a_wrong_setting_is_reported_in_one_line(monkeypatch, capsys) -> None:
    """The line names the variable, the reason and the remedy; the exit status is 2."""
    monkeypatch.setenv("BROKER_URI", "amqp://u:secret@localhost")

    with pytest.raises(SystemExit) as ended:
        load(ConnectorSettings, "trial")

    assert ended.value.code == 2
    assert capsys.readouterr().err == (
        "trial: KEYS_DIR is not set; set it to: Folder with the keys of the connector (hash.key, seal.jwk). "
        "See --help.\n"
    )


def test_our_own_headers_are_ignored_from_other_users() -> None:
    """A service cannot set attempts, progress or another user."""
    read = read_envelope(
        QUEUE, Raw("notification", {"diwan-attempt": 3, "diwan-user": "other", "diwan-progress": "x"})
    )

    assert (read.user, read.attempt, read.progress) == ("notification", 0, "")


def test_own_copy_keeps_its_first_user() -> None:
    """A copy from a retry queue still belongs to its first publisher."""
    read = read_envelope(
        QUEUE, Raw("sms", {"diwan-attempt": 3, "diwan-user": "notification", "diwan-progress": "x"})
    )

    assert (read.user, read.attempt, read.progress) == ("notification", 3, "x")


def test_replayed_copy_is_a_new_run() -> None:
    """A message replayed by an operator is processed again, and so are its retries."""
    put_back = Raw("operator", {"diwan-user": "notification", "cloudEvents_id": "a"})
    first, second = read_envelope(QUEUE, put_back), read_envelope(QUEUE, put_back)
    copied = read_envelope(QUEUE, Raw("sms", dict(first.copy("k", attempt=1).attributes)))

    assert len({first.key, second.key, ("a", "", 0)}) == 3
    assert copied.key == ("a", first.run, 1)


def test_own_message_without_a_first_user_has_no_user() -> None:
    """A connector cannot be the source of its own commands."""
    assert read_envelope(QUEUE, Raw("sms")).user == ""


@pytest.mark.parametrize("wrong", ["3", -1, None, 2.5, True])
def test_an_invalid_count_of_attempts_is_zero(wrong: object) -> None:
    """A header with another type or value is ignored (True equals 1 in Python and is harmless)."""
    assert read_envelope(
        QUEUE, Raw("sms", {"diwan-user": "notification", "diwan-attempt": wrong})
    ).attempt in (
        0,
        True,
    )


def test_copy_has_no_headers_of_the_broker() -> None:
    """x-death and x-delivery-count refer to another queue."""
    read = read_envelope(
        QUEUE, Raw("notification", {"x-death": [], "x-delivery-count": 2, "traceparent": "t"})
    )

    copied = read.copy(f"{QUEUE}.retry.1", attempt=1, reason="R")

    assert dict(copied.attributes) == {
        "traceparent": "t",
        "diwan-user": "notification",
        "diwan-attempt": 1,
        "diwan-progress": "",
        "diwan-reason": "R",
    }
    assert (copied.exchange, copied.mandatory) == ("sms.retry", True)
    assert read.redelivered


def test_events_of_one_origin_have_one_id() -> None:
    """The id is derived from origin, type and content, not from what accompanies them."""
    first = OutboundEvent(sms_pb2.SmsUnknown(message_id="a"), "a", "origin")
    repeated = OutboundEvent(
        sms_pb2.SmsUnknown(message_id="a"), "a", "origin", causation="c", correlation="R-1"
    )

    assert first.id == repeated.id


@pytest.mark.parametrize(
    ("message", "origin"),
    [
        (sms_pb2.SmsUnknown(message_id="b"), "origin"),
        (sms_pb2.SmsUnknown(), "origin"),
        (sms_pb2.SmsExpired(message_id="a"), "origin"),
        (sms_pb2.SmsUnknown(message_id="a"), "other"),
    ],
)
def test_another_content_is_another_event(message: Message, origin: str) -> None:
    """So are another type and another origin."""
    first = OutboundEvent(sms_pb2.SmsUnknown(message_id="a"), "a", "origin")

    assert OutboundEvent(message, "a", origin).id != first.id


def test_the_id_of_an_event_does_not_depend_on_sealed_fields() -> None:
    """A hash of a text or a number could be reversed by trying, and every sealing of a text differs."""
    first, second = (
        OutboundEvent(sms_pb2.SubmitSms(message_id="a", content=content), "a", "origin")
        for content in ("one", "two")
    )

    assert first.id == second.id


def test_event_of_another_owner_is_not_published(tmp_path: Path) -> None:
    """A connector publishes only to its own exchange."""
    make_keys(tmp_path, ["acquirer"])
    key_ring = KeyRing("acquirer", tmp_path / "acquirer")

    with pytest.raises(TypeError, match="SmsUnknown is not published by acquirer"):
        outbound(OutboundEvent(sms_pb2.SmsUnknown(), "a", "o"), "acquirer", key_ring)


def test_sealed_field_of_a_published_event_opens_only_for_its_reader(tmp_path: Path) -> None:
    """The body holds no plaintext; the event itself is not changed."""
    make_keys(tmp_path, ["sms", "notification", "identity"])
    event = OutboundEvent(sms_pb2.SmsReceipted(part_id="p", mobile="+201012345678"), "p", "origin")

    published = outbound(event, "sms", KeyRing("sms", tmp_path / "sms"))

    assert b"201012345678" not in published.body
    assert event.message.mobile == "+201012345678"  # type: ignore[attr-defined]  # a message of any kind
    sealed = json_format.Parse(published.body, sms_pb2.SmsReceipted())
    binding = Binding(event.id, event.type, "diwan/sms")
    assert KeyRing("notification", tmp_path / "notification").open(sealed.mobile, binding) == "+201012345678"
    with pytest.raises(OpenError):
        KeyRing("identity", tmp_path / "identity").open(sealed.mobile, binding)


def test_recent_deliveries_are_bounded() -> None:
    """The oldest delivery is forgotten first."""
    recent = RecentDeliveries()
    for number in range(KEPT_MAX + 1):
        recent.begin((str(number), "", 0))

    assert recent.find(("0", "", 0)) is None
    assert recent.find((str(KEPT_MAX), "", 0)) is not None


def test_recent_deliveries_state_whether_an_outcome_was_published() -> None:
    """A repeated delivery is acked if the first was completed, and requeued if it was forgotten."""
    recent = RecentDeliveries()
    recent.begin(("a", "", 0))
    recent.begin(("b", "", 0))
    first, second = recent.find(("a", "", 0)), recent.find(("b", "", 0))

    recent.complete(("a", "", 0))
    recent.forget(("b", "", 0))

    assert first is not None
    assert first.wait() is True
    assert second is not None
    assert second.wait() is False
    assert recent.find(("b", "", 0)) is None


def test_help_lists_every_setting() -> None:
    """Each setting is listed with its variable and description."""
    text = explain(ConnectorSettings)

    for name, setting in ConnectorSettings.model_fields.items():
        assert name.upper() in text
        assert setting.description
        assert setting.description in text


@pytest.mark.parametrize(
    "module", ["notification.connectors.sms.connector", "payments.connectors.acquirer.connector"]
)
def test_connectors_import_neither_grpc_nor_the_driver(module: str) -> None:
    """eventlet cannot share a process with grpcio or the MongoDB driver."""
    check = "print([m for m in ('grpc', 'motor', 'pymongo') if m in sys.modules])"
    code = f"import eventlet; eventlet.monkey_patch(); import sys, {module}; {check}"

    assert processes.run([sys.executable, "-W", "ignore", "-c", code]).strip() == "[]"
