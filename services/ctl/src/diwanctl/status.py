"""`diwan status`: health of every service."""

import asyncio

import click
import grpc
from chassis.rpc.client import connect
from grpc_health.v1 import health_pb2, health_pb2_grpc

from diwanctl.config import Config
from diwanctl.output import emit

LIMIT_SECONDS = 3.0


@click.command()
@click.pass_context
def status(context: click.Context) -> None:
    """Check the health of every service; exit status 1 if one is not serving."""
    config = Config.of(context)
    states = asyncio.run(_check(config))
    emit(
        context, [{"service": name, "target": config.targets[name], "state": state} for name, state in states]
    )
    if any(state != "SERVING" for _, state in states):
        context.exit(1)


async def _check(config: Config) -> list[tuple[str, str]]:
    return list(await asyncio.gather(*(_state(name, target) for name, target in config.targets.items())))


async def _state(name: str, target: str) -> tuple[str, str]:
    async with connect(target) as channel:
        stub = health_pb2_grpc.HealthStub(channel)
        try:
            response = await stub.Check(health_pb2.HealthCheckRequest(), timeout=LIMIT_SECONDS)
        except grpc.RpcError as error:
            return name, error.code().name
    return name, health_pb2.HealthCheckResponse.ServingStatus.Name(response.status)
