"""Wiring of the notary service: `python -m notary --help`."""

from chassis import access_log, telemetry
from chassis.components import Component
from chassis.process import Env
from chassis.retention import Retention
from chassis.rpc.clients import CLIENT_KEY
from chassis.service import ServiceContext, ServiceDefinition, serve
from chassis.tokens import read_signing_key
from diwan.notary.v1 import notary_pb2

from notary import catalogue, policies, signer_check, timers
from notary.accounts import Accounts
from notary.api import PowerOfAttorneyApi
from notary.context import Context
from notary.document_renderer import DocumentRenderer, SignerFiles
from notary.errors import ERRORS
from notary.metrics import Metrics
from notary.printing import DocumentPrinter
from notary.settings import Settings
from notary.store import SCHEMA_VERSION, Store

SERVICE = notary_pb2.DESCRIPTOR.services_by_name["PowerOfAttorneyService"]


def check_keys(env: Env[Settings]) -> None:
    """Read the keys of its calls and, where documents are signed, those of the signer."""
    read_signing_key(env.settings.keys_dir / CLIENT_KEY)
    if env.wants("policies"):
        signer_check.check(env.settings.keys_dir)


async def build(service: ServiceContext[Settings]) -> ServiceDefinition:
    """Build notary's own part. Only a process that runs the policies loads the signer's key."""
    settings = service.env.settings
    texts = catalogue.load()
    metrics = Metrics(telemetry.current())
    context = Context(
        await Store.open(service.database),
        Accounts(service.client("identity")),
        service.tokens,
        texts,
        metrics,
        settings.drafts_per_hour,
        service.env.clock,
    )
    components: list[Component] = []
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
        rpcs=[(SERVICE, PowerOfAttorneyApi(context))],
        policies=table,
        timers=timers.table(context, settings),
        retentions=[Retention(context.store.access_log.records, access_log.TIME, settings.access_log_days)],
        components=components,
    )


if __name__ == "__main__":
    serve("notary", Settings, build, errors=ERRORS, schema_version=SCHEMA_VERSION, check_keys=check_keys)
