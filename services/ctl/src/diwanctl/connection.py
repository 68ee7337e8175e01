"""Calls to services with the operator's token."""

import asyncio
import json
import uuid
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack, contextmanager
from typing import Any

import click
import grpc
from chassis.rpc.client import Failure, connect, failure_of, identity_exchange
from chassis.tokens import ServiceTokens
from google.protobuf.message import Message
from joserfc.errors import JoseError
from joserfc.jwk import ECKey

from diwanctl.config import Config

DEADLINE_SECONDS = 20.0

Invoke = Callable[[str, Message], Any]
"""Calls the RPC of a name with a request, and returns its response."""


class CallFailed(click.ClickException):
    """A call failed; the text has the service's reason, message and wrong fields."""

    def __init__(self, failure: Failure) -> None:
        fields = "; ".join(f"{path}: {rule}" for path, rule in failure.fields)
        super().__init__(" ".join(filter(None, [failure.reason or failure.code, failure.message, fields])))
        self.reason = failure.reason


def call(
    context: click.Context, service: str, stub: Callable[[Any], Any], rpc: str, request: Message
) -> Message:
    """Call one RPC; see `session`."""
    with session(Config.of(context), service, stub) as invoke:
        response: Message = invoke(rpc, request)
    return response


@contextmanager
def session(config: Config, service: str, stub: Callable[[Any], Any]) -> Iterator[Invoke]:
    """Call RPCs of one service with the operator's token, over one connection.

    A field `request_id` of a request is set to a new UUID4.

    Raises:
        click.ClickException: the configuration is wrong.
        CallFailed: by a call.
    """
    with asyncio.Runner() as runner:
        stack = AsyncExitStack()

        async def connected() -> Any:
            identity = await stack.enter_async_context(connect(target_of(config, "identity")))
            tokens = ServiceTokens(config.client, key_of(config), identity_exchange(identity))
            channel = connect(target_of(config, service), tokens, audience=service)
            return stub(await stack.enter_async_context(channel))

        async def called(client: Any, rpc: str, request: Message) -> Any:
            if "request_id" in request.DESCRIPTOR.fields_by_name:
                setattr(request, "request_id", str(uuid.uuid4()))  # noqa: B010  the message's type is not known here
            try:
                return await getattr(client, rpc)(request, timeout=DEADLINE_SECONDS)
            except grpc.RpcError as error:
                raise CallFailed(failure_of(error)) from error

        try:
            client = runner.run(connected())
            yield lambda rpc, request: runner.run(called(client, rpc, request))
        finally:
            runner.run(stack.aclose())


def target_of(config: Config, service: str) -> str:
    try:
        return config.targets[service]
    except KeyError:
        known = ", ".join(sorted(config.targets))
        raise click.ClickException(f"no service {service}; the configuration has {known}") from None


def key_of(config: Config) -> ECKey:
    try:
        return ECKey.import_key(json.loads(config.key.read_text()))
    except (OSError, JoseError, ValueError) as error:
        raise click.ClickException(f"{config.key} holds no private key: {type(error).__name__}") from error
