"""The civil registry's integrator: publishes its extract with its own broker credentials."""

import json
import uuid
from collections.abc import Iterable
from datetime import UTC, datetime

import pika
from diwan.registry.v1 import events_pb2
from google.protobuf import json_format
from joserfc import jwe
from joserfc.jwk import ECKey
from opentelemetry import propagate
from population import Person

from demo.environment import Environment

EXCHANGE = "registry.events"
ROUTING_KEY = "person.registered.v1"
SOURCE = "diwan/registry"
TYPE = events_pb2.PersonRegistered.DESCRIPTOR.full_name
USER = "registry"
HEARTBEAT_SECONDS = 30


def sealed_record(person: Person, event_id: str, key: ECKey) -> str:
    """Encrypt a person's personal fields as a compact JWE, bound to the event's id, type and source."""
    record = events_pb2.PersonRecord(
        national_id=person.national_id,
        first_name=person.first_name,
        mother_first_name=person.mother_first_name,
        full_name=person.full_name,
        address=person.address,
        governorate=person.governorate,
    )
    header = {"alg": "ECDH-ES+A256KW", "enc": "A256GCM", "id": event_id, "type": TYPE, "source": SOURCE}
    plain = json_format.MessageToJson(record, indent=None).encode()
    return jwe.encrypt_compact(header, plain, key, registry=jwe.JWERegistry(strict_check_header=False))


def publish(environment: Environment, people: Iterable[Person]) -> int:
    """Publish one `person.registered.v1` for each person, each confirmed; return their number."""
    key = ECKey.import_key(json.loads(environment.registry_seal_key.read_text()))
    credentials = pika.PlainCredentials(USER, environment.registry_password_file.read_text().strip())
    parameters = pika.ConnectionParameters(
        environment.broker_host,
        environment.broker_port,
        environment.broker_vhost,
        credentials,
        heartbeat=HEARTBEAT_SECONDS,
    )
    published = 0
    with pika.BlockingConnection(parameters) as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        for person in people:
            event_id = str(uuid.uuid5(uuid.NAMESPACE_URL, f"{SOURCE}/{person.person_id}"))
            body = events_pb2.PersonRegistered(
                person_id=person.person_id, record=sealed_record(person, event_id, key)
            )
            headers = {
                "cloudEvents_id": event_id,
                "cloudEvents_source": SOURCE,
                "cloudEvents_type": TYPE,
                "cloudEvents_specversion": "1.0",
                "cloudEvents_time": datetime.now(UTC).isoformat(),
                "cloudEvents_subject": person.person_id,
                "cloudEvents_sequence": "1",
            }
            propagate.inject(headers)
            properties = pika.BasicProperties(
                content_type="application/json",
                delivery_mode=2,
                message_id=event_id,
                user_id=USER,
                headers=headers,
            )
            text = json_format.MessageToJson(body, indent=None)
            channel.basic_publish(EXCHANGE, ROUTING_KEY, text.encode(), properties, mandatory=True)
            published += 1
    return published
