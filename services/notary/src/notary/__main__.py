"""Wiring, and nothing else: `python -m notary --help`."""

from typing import Any

from chassis import telemetry
from chassis.life import Component
from chassis.rpc.client import connect, identity_exchange
from chassis.service import ServiceContext, ServiceDefinition, serve
from chassis.tokens import ServiceTokens, read_key
from diwan.notary.v1 import notary_pb2

from notary import catalogue, policies, timers
from notary.accounts import Accounts
from notary.api import PowersOfAttorney
from notary.context import Context
from notary.document_renderer import DocumentRenderer, SignerFiles
from notary.errors import ERRORS
from notary.metrics import Metrics
from notary.printing import DocumentPrinter
from notary.settings import Settings
from notary.store import SCHEMA_VERSION, Store

SERVICE = notary_pb2.DESCRIPTOR.services_by_name["PowerOfAttorneyService"]


async def build(service: ServiceContext[Settings]) -> ServiceDefinition:
    """Notary's own part. Only the process that prints holds the signer's key."""
    settings = service.env.settings
    own = read_key(settings.keys_dir / "client.jwk")
    tokens = ServiceTokens("notary", own, identity_exchange(service.identity), clock=service.env.clock)
    identity = connect(settings.identity_target, tokens)
    texts = catalogue.load()
    metrics = Metrics(telemetry.current())
    context = Context(
        await Store.open(service.database),
        Accounts(identity),
        service.tokens,
        texts,
        metrics,
        settings.drafts_per_hour,
        service.env.clock,
    )
    components: list[Component] = [_Channel(identity)]
    table = []
    if service.env.wants("policies"):
        renderer = DocumentRenderer(
            SignerFiles.of(settings.keys_dir),
            workers=settings.renderer_workers,
            timeout_seconds=settings.renderer_timeout_seconds,
            tracer=telemetry.current().tracer,
        )
        printer = DocumentPrinter(renderer, texts, metrics, verify_url=settings.verify_url)
        table = policies.table(context, printer)
        components.append(printer)
    return ServiceDefinition(
        rpcs=[(SERVICE, PowersOfAttorney(context))],
        policies=table,
        timers=timers.table(context, settings),
        components=components,
    )


class _Channel:
    """The channel on which notary asks identity with its own token."""

    name = "identity channel"

    def __init__(self, channel: Any) -> None:
        self._channel = channel

    async def start(self) -> None:
        """Nothing to begin: it opens when it is used."""

    async def stop(self) -> None:
        await self._channel.close()


if __name__ == "__main__":
    serve("notary", Settings, build, errors=ERRORS, schema_version=SCHEMA_VERSION)
