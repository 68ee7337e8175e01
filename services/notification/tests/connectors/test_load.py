"""Many long texts to one phone at once, while service and connector are killed, counted as a person reads them.

`DIWAN_LOAD_TEXTS` sets their number, 40 if not set:

    DIWAN_LOAD_TEXTS=1000 .venv/bin/pytest services/notification/tests/connectors/test_load.py
"""

import json
import os
import uuid
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pymongo
import pytest
from chassis.key_ring import KeyRing
from chassis.store import dataclass_codec
from diwan.identity.v1 import events_pb2 as identity
from diwan.payments.v1 import events_pb2 as payments
from google.protobuf.message import Message as Proto
from google.type.money_pb2 import Money
from notification import catalogue
from notification.model import Message, MessageState
from notification.sms_text import count_parts
from testkit.broker import Broker
from testkit.connectors import Program, Side, eventually, running
from testkit.keys import make_keys
from testkit.ports import free_port

from .conftest import Operator

pytestmark = pytest.mark.real

TEXTS = int(os.environ.get("DIWAN_LOAD_TEXTS", "40"))
WORKERS = 8
SECONDS = 60 + TEXTS


@dataclass
class Platform:
    """Notification and its connector as processes, with their broker, store and operator."""

    service: Program
    connector: Program
    broker: Broker
    keys: Path
    operator: Operator
    store_uri: str
    database: str

    def publish(self, user: str, event: Proto, number: str = "") -> None:
        """Publish an event as another service."""
        side = Side(self.broker, KeyRing(user, self.keys / user), user, "")
        side.publish(event, **({"correlationid": number} if number else {}))

    def messages(self) -> list[Message]:
        """Return the stored messages."""
        codec = dataclass_codec(Message)
        with pymongo.MongoClient[dict[str, Any]](self.store_uri, tz_aware=True) as client:
            return [codec.decode(each["state"]) for each in client[self.database]["messages"].find()]


@pytest.fixture(scope="module")
def platform(
    broker_node: Broker, operator: Operator, store_uri: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Platform]:
    """Start both programs on an empty broker and database."""
    broker_node.purge()
    folder = tmp_path_factory.mktemp("load")
    make_keys(folder / "keys", broker_node.topology.users)
    database = f"test_{uuid.uuid4().hex[:12]}"
    service = _program("notification", "notification", folder, broker_node)
    service.environment |= {  # type: ignore[operator]  # a dict
        "NOTIFICATION_STORE_URI": store_uri,
        "NOTIFICATION_STORE_DATABASE": database,
        "NOTIFICATION_STATE_DIR": str(folder),
        "NOTIFICATION_IDENTITY_TARGET": "127.0.0.1:9",
    }
    connector = _program("sms", "notification.connectors.sms", folder, broker_node)
    connector.environment |= {  # type: ignore[operator]  # a dict
        "SMS_SMSC_HOST": "127.0.0.1",
        "SMS_SMSC_PORT": str(operator.port),
        "SMS_SMSC_SYSTEM_ID": "diwan",
        "SMS_SMSC_PASSWORD": "secret",
        "SMS_WORKERS": str(WORKERS),
        "SMS_PREFETCH": str(WORKERS),
    }
    with running(service), running(connector):
        yield Platform(service, connector, broker_node, folder / "keys", operator, store_uri, database)
    with pymongo.MongoClient[dict[str, Any]](store_uri) as client:
        client.drop_database(database)


def _program(user: str, package: str, folder: Path, broker: Broker) -> Program:
    port, prefix = free_port(), user.upper()
    environment = {
        f"{prefix}_BROKER_URI": broker.uri(user),
        f"{prefix}_KEYS_DIR": str(folder / "keys" / user),
        f"{prefix}_HTTP_LISTEN": f"127.0.0.1:{port}",
    }
    return Program(["-m", package], environment, f"http://127.0.0.1:{port}/readyz", folder / f"{user}.log")


def test_each_long_text_is_read_whole(platform: Platform) -> None:
    """Every text arrives; none is mixed with another. Only a text in hand at the connector's end may be read twice."""
    mobile, account = f"+2011{uuid.uuid4().int % 10**8:08}", str(uuid.uuid4())
    contact = json.dumps({"mobile": mobile})
    platform.publish("identity", identity.AccountEnrolled(account_id=account, contact=contact))
    template = catalogue.load().template("payment.settled")
    numbers = [f"DW-2026-{number:07}" for number in range(TEXTS)]
    texts = {template.render("ar", {"number": number, "amount": "108"}) for number in numbers}
    assert all(count_parts(text) > 1 for text in texts)
    settled = payments.PaymentSettled(account_id=account, amount=Money(currency_code="EGP", units=108))

    for position, number in enumerate(numbers):
        platform.publish("payments", settled, number)
        if position in {TEXTS // 4, TEXTS // 2}:
            platform.service.kill()
            platform.service.start(wait=False)
        if position == TEXTS // 3:
            eventually(lambda: platform.operator.accepted_total > 0, SECONDS)
            platform.connector.kill()
            platform.connector.start(wait=False)

    eventually(lambda: texts <= {one["text"] for one in platform.operator.inbox(mobile)}, SECONDS)
    eventually(
        lambda: Counter(one.state for one in platform.messages()) == {MessageState.DELIVERED: TEXTS}, SECONDS
    )
    read = Counter(one["text"] for one in platform.operator.inbox(mobile))
    assert read.keys() == texts
    twice = [text for text, times in read.items() if times > 1]
    assert len(twice) <= WORKERS, "texts were read twice that were not in the connector's hands"


def test_a_code_whose_answer_was_lost_is_delivered_by_its_receipt(platform: Platform) -> None:
    """The connector is killed between submit and answer: the code is not submitted again, and its state is true."""
    mobile, account = f"+2011{uuid.uuid4().int % 10**8:08}", str(uuid.uuid4())
    accepted = platform.operator.accepted_total
    platform.operator.faults(silent=1)

    # In English, of one part: the connector does not submit a second part after the crash.
    platform.publish(
        "identity",
        identity.AccountEnrolled(
            account_id=account, contact=json.dumps({"mobile": mobile, "language": "en"})
        ),
    )
    content = {"values": {"code": "123456"}}
    platform.publish(
        "identity",
        identity.SendMessage(account_id=account, template="code.sign_in", content=json.dumps(content)),
    )
    eventually(lambda: platform.operator.accepted_total > accepted)
    platform.connector.kill()
    platform.connector.start()

    def answer() -> set[tuple[MessageState, MessageState]]:
        return {(one.answer, one.state) for one in platform.messages() if one.account_id == account}

    eventually(lambda: answer() == {(MessageState.UNKNOWN, MessageState.DELIVERED)}, SECONDS)
    assert platform.operator.accepted_total == accepted + 1
    assert len(platform.operator.inbox(mobile)) == 1
