"""The event types of all services, with their options, from the protos."""

import importlib
import pkgutil
from functools import cache

import diwan
from diwan.options.v1 import options_pb2
from google.protobuf import descriptor_pool, message_factory
from google.protobuf.message import Message


def event_option(message: Message | type[Message]) -> options_pb2.Event | None:
    """The option `(diwan.options.v1.event)` of a message, None without one."""
    options = message.DESCRIPTOR.GetOptions()
    if not options.HasExtension(options_pb2.event):
        return None
    option: options_pb2.Event = options.Extensions[options_pb2.event]
    return option


@cache
def _protos() -> descriptor_pool.DescriptorPool:
    """The descriptor pool with the messages of all services, also of those that this process does not import."""
    for module in pkgutil.walk_packages(diwan.__path__, "diwan."):
        if module.name.endswith("_pb2"):
            importlib.import_module(module.name)
    return descriptor_pool.Default()


@cache
def event_type(name: str) -> type[Message] | None:
    """The message class of a CloudEvents type, None if no proto declares such an event."""
    try:
        descriptor = _protos().FindMessageTypeByName(name)
    except KeyError:
        return None
    message: type[Message] = message_factory.GetMessageClass(descriptor)
    return message if event_option(message) is not None else None
