"""What protos say of events, and which types of events there are: those of all services."""

import importlib
import pkgutil
from functools import cache

import diwan
from diwan.options.v1 import options_pb2
from google.protobuf import descriptor_pool, message_factory
from google.protobuf.message import Message


def event_option(message: Message | type[Message]) -> options_pb2.Event | None:
    """What a message's proto says of its publishing, None if it says nothing."""
    options = message.DESCRIPTOR.GetOptions()
    if not options.HasExtension(options_pb2.event):
        return None
    option: options_pb2.Event = options.Extensions[options_pb2.event]
    return option


@cache
def _protos() -> descriptor_pool.DescriptorPool:
    """The pool that holds the messages of all services, whichever of them this one imports by itself."""
    for module in pkgutil.walk_packages(diwan.__path__, "diwan."):
        if module.name.endswith("_pb2"):
            importlib.import_module(module.name)
    return descriptor_pool.Default()


@cache
def event_type(name: str) -> type[Message] | None:
    """The message class of a CloudEvents type, None if no proto publishes such an event."""
    try:
        descriptor = _protos().FindMessageTypeByName(name)
    except KeyError:
        return None
    found: type[Message] = message_factory.GetMessageClass(descriptor)
    return found if event_option(found) is not None else None
