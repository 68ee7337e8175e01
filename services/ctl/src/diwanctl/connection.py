"""Calls to services with the operator's token."""

import asyncio
import json
import uuid
from collections.abc import Callable
from typing import Any

import click
import grpc
from chassis.rpc.client import connect, failure_of, identity_exchange
from chassis.tokens import ServiceTokens
from google.protobuf.message import Message
from joserfc.errors import JoseError
from joserfc.jwk import ECKey

from diwanctl.config import Config

DEADLINE_SECONDS = 20.0


def call(
    context: click.Context, service: str, stub: Callable[[Any], Any], rpc: str, request: Message
) -> Message:
    """Call an RPC with the operator's token; a field `request_id` of the request is set to a new UUID4.

    Raises:
        click.ClickException: the call failed; the text has the service's reason, message and wrong fields.
    """
    config = Config.of(context)
    if "request_id" in request.DESCRIPTOR.fields_by_name:
        setattr(request, "request_id", str(uuid.uuid4()))  # noqa: B010  the message's type is not known here
    return asyncio.run(_call(config, service, stub, rpc, request))


async def _call(
    config: Config, service: str, stub: Callable[[Any], Any], rpc: str, request: Message
) -> Message:
    async with connect(target_of(config, "identity")) as identity:
        tokens = ServiceTokens(config.client, key_of(config), identity_exchange(identity))
        async with connect(target_of(config, service), tokens, audience=service) as channel:
            try:
                response: Message = await getattr(stub(channel), rpc)(request, timeout=DEADLINE_SECONDS)
            except grpc.RpcError as error:
                raise click.ClickException(describe(error)) from error
    return response


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


def describe(error: grpc.RpcError) -> str:
    failure = failure_of(error)
    fields = "; ".join(f"{path}: {rule}" for path, rule in failure.fields)
    return " ".join(filter(None, [failure.reason or failure.code, failure.message, fields]))
