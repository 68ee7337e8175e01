"""The protos are consistent with each other and with the platform table."""

import fnmatch
import importlib
import inspect
import pkgutil
import re
from types import SimpleNamespace

import diwan
import pytest
from buf.validate import validate_pb2
from chassis import revocations
from diwan.options.v1 import options_pb2
from diwan.rules.v1 import rules_pb2
from platform_table.broker import topology
from platform_table.load import platform

TABLE = topology(platform())
FILES = [
    importlib.import_module(module.name)
    for module in pkgutil.walk_packages(diwan.__path__, "diwan.")
    if module.name.endswith("_pb2")
]
PERSONAL = re.compile(
    r"(^|_)(national_id|mobile|first_name|full_name|address|code|card_token|access_tokens?|refresh_token|text)$"
    r"|^(principal|agent)_name$"
)
# Matches PERSONAL but is not personal: the number is masked.
NOT_PERSONAL = {"diwan.identity.v1.Account.masked_mobile"}

RPCS = [
    rpc for file in FILES for service in file.DESCRIPTOR.services_by_name.values() for rpc in service.methods
]
EVENTS = [
    message
    for file in FILES
    for message in file.DESCRIPTOR.message_types_by_name.values()
    if message.GetOptions().HasExtension(options_pb2.event)
]
FIELDS = [
    field
    for file in FILES
    for message in file.DESCRIPTOR.message_types_by_name.values()
    for field in message.fields
]


def access(rpc):
    return rpc.GetOptions().Extensions[options_pb2.access]


def option(event):
    return event.GetOptions().Extensions[options_pb2.event]


@pytest.mark.parametrize("rpc", RPCS, ids=lambda rpc: rpc.full_name)
def test_every_rpc_states_who_may_call_it(rpc):
    """An RPC without an access option would be open or closed by accident."""
    stated = access(rpc)

    assert stated.anyone or stated.citizen or stated.officer_roles or stated.services


def test_services_whose_rpcs_are_verified_by_identity_may_ask_it():
    """No other service may."""
    verified = {rpc for rpc in RPCS if access(rpc).verified_by_identity}
    (verify,) = (rpc for rpc in RPCS if rpc.name == "VerifyAccessToken")

    services = {rpc.full_name.split(".")[1] for rpc in verified} - {"identity"}
    assert set(access(verify).services) == services


@pytest.mark.parametrize(
    "rpc",
    [rpc for rpc in RPCS if {"administrator", "tariff_manager"} & set(access(rpc).officer_roles)],
    ids=lambda rpc: rpc.full_name,
)
def test_rpcs_of_administrators_and_tariff_managers_are_verified_by_identity(rpc):
    """A new RPC for one of these roles fails here without the option."""
    assert access(rpc).verified_by_identity


@pytest.mark.parametrize("rpc", RPCS, ids=lambda rpc: rpc.full_name)
def test_reading_rpcs_have_a_reading_verb_and_changing_ones_a_request_id(rpc):
    """With a request id a changing call can be repeated safely."""
    reads = rpc.name.startswith(("Get", "List", "Verify", "Download", "IssueServiceToken"))
    # These name a parked message, whose id makes them idempotent.
    operates = rpc.containing_service.name == "OperationsService"

    message = rpc.input_type.fields_by_name["header"].message_type if rpc.client_streaming else rpc.input_type
    field = message.fields_by_name.get("request_id")

    assert (field is None) == (reads or operates)
    if field is not None:
        assert field.GetOptions().Extensions[validate_pb2.field].string.Extensions[rules_pb2.uuid4]


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: event.full_name)
def test_every_event_has_its_exchange(event):
    """An event is published on an exchange of the table, whose owner is a user of the broker."""
    exchange = option(event).exchange

    assert exchange in TABLE.exchanges
    assert exchange.split(".")[0] in TABLE.users


@pytest.mark.parametrize(
    "event",
    [e for e in EVENTS if option(e).exchange.endswith(".commands")],
    ids=lambda event: event.full_name,
)
def test_every_command_has_exactly_one_reader(event):
    """A command is routed to one queue; its sealed fields are sealed for the reader of that queue.

    A command with a sealed field is secret. One with only opaque ids has nothing to seal and may be kept for replay.
    """
    queues = [q for q in TABLE.queues if q.exchange == option(event).exchange and bound(q, option(event).key)]

    assert len(queues) == 1
    sealed = {field.GetOptions().Extensions[options_pb2.sealed_for] for field in event.fields} - {""}
    assert sealed <= {queues[0].reader}
    assert option(event).secret == bool(sealed)


@pytest.mark.parametrize("queue", TABLE.queues, ids=lambda queue: queue.name)
def test_every_binding_matches_an_event(queue):
    """A binding that matches no event would mean a queue that stays empty."""
    keys = [option(event).key for event in EVENTS if option(event).exchange == queue.exchange]

    assert all(any(matches(binding, key) for key in keys) for binding in queue.bindings)


@pytest.mark.parametrize(
    "field",
    [f for f in FIELDS if PERSONAL.search(f.name) and f.full_name not in NOT_PERSONAL],
    ids=lambda field: field.full_name,
)
def test_fields_named_like_personal_data_have_the_personal_option(field):
    """The log masks fields by this option: a field without it would be logged in plain."""
    assert field.GetOptions().Extensions[options_pb2.personal]


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: event.full_name)
def test_no_event_carries_a_personal_field_in_plain(event):
    """Events carry personal data sealed, or not at all."""
    options = {field.name: field.GetOptions().Extensions for field in event.fields}
    plain = [
        name
        for name, option in options.items()
        if option[options_pb2.personal] and not option[options_pb2.sealed_for]
    ]

    assert plain == []


def bound(queue, key):
    return any(matches(binding, key) for binding in queue.bindings)


def matches(binding, key):
    patterns, words = binding.split("."), key.split(".")
    return len(patterns) == len(words) and all(
        fnmatch.fnmatch(word, pattern) for pattern, word in zip(patterns, words, strict=True)
    )


def test_every_message_in_a_file_of_events_has_an_exchange():
    """The exceptions are the plaintexts of sealed fields."""
    without_exchange = {
        message.name
        for file in FILES
        if file.DESCRIPTOR.name.endswith(("/events.proto", "/sms.proto", "/acquirer.proto"))
        for message in file.DESCRIPTOR.message_types_by_name.values()
        if not message.GetOptions().HasExtension(options_pb2.event)
    }

    assert without_exchange == {"CardContent", "Contact", "MessageContent", "PersonRecord", "SmsContent"}


@pytest.mark.parametrize("service", platform().services)
def test_a_service_reads_the_events_of_its_policies(service):
    """An event that is not in the table is not delivered; one without a policy would be delivered for nothing."""
    policies = importlib.import_module(f"{service}.policies")
    # Policies read nothing of their dependencies until they run, except how much they may do at a time.
    contexts = dict.fromkeys(inspect.signature(policies.table).parameters, SimpleNamespace(concurrency=1))
    table = policies.table(**contexts)
    if service != "identity":
        table.append(revocations.policy(service, None))
    handled = {(policy.queue, option(policy.message.DESCRIPTOR).key) for policy in table}

    read = {
        (queue.name, option(event).key)
        for queue in TABLE.read_by(service)
        for event in EVENTS
        if option(event).exchange == queue.exchange and bound(queue, option(event).key)
    }
    assert handled == read
