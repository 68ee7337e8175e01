"""The table of what runs: one database server a service, the outside world, the services, the connectors."""

import sys
from pathlib import Path
from urllib.parse import quote

from platform_table.load import platform
from platform_table.table import CONNECTOR, IDENTITY, SERVICE
from platform_table.table import Program as TableProgram

from embedded.layout import Layout
from embedded.process import Program

HOST = "127.0.0.1"
SMSC_SYSTEM_ID = "diwan"
SMSC_RECEIPT_DELAY_SECONDS = 0.2
STORE_USER = "diwan"
STORE_CACHE = "64M"  # a trial's data fit in it, and four servers share the machine
VHOST = "diwan"


def stores(layout: Layout, *, open_for_setup: bool = False) -> list[Program]:
    """One store server for each service, durable at every commit, behind a password of its own."""
    ports = layout.ports()
    closed = () if open_for_setup else ("--auth",)
    return [
        Program(
            name=f"{name}-store",
            command=(
                str(Path(sys.executable).parent / "secantusd-py"),
                "--sync-on-commit",
                *closed,
                "--host", HOST,
                "--port", str(ports[f"{name}-store"]),
                "--storage-path", str(layout.data / f"{name}-store"),
                "--cache-size", STORE_CACHE,
                "--log-level", "WARNING",
            ),
            port=f"{name}-store",
        )
        for name in platform().services
    ]  # fmt: skip


def outside(layout: Layout) -> list[Program]:
    """The sandbox of the outside world: an SMSC, an acquirer, and a collector of spans."""
    ports = layout.ports()
    return [
        _python(
            "smsc", "sandbox.smsc",
            "--port", ports["smsc"], "--http-port", ports["phones"],
            "--system-id", SMSC_SYSTEM_ID, "--password-file", layout.passwords / "sms-smsc-password",
            "--receipt-delay", SMSC_RECEIPT_DELAY_SECONDS,
        ),
        _python(
            "bank", "sandbox.acquirer",
            "--port", ports["bank"], "--api-key-file", layout.passwords / "acquirer-api-key",
            "--callback-url", f"http://{HOST}:{ports['acquirer-callbacks']}/callbacks",
            "--callback-key-file", layout.keys / "acquirer" / "callback.key",
        ),
        _python(
            "collector", "sandbox.collector",
            "--port", ports["collector"], "--spans", layout.data / "spans.ndjson",
        ),
    ]  # fmt: skip


def services(layout: Layout) -> list[Program]:
    """The services, each with its own store, broker user and keys."""
    ports = layout.ports()
    made = []
    for each in platform().of(SERVICE):
        store_password = quote(layout.password(f"{each.name}-store"), safe="")
        address = f"{HOST}:{ports[f'{each.name}-store']}"
        environment = {
            "STORE_URI": f"mongodb://{STORE_USER}:{store_password}@{address}/admin",
            "STORE_DATABASE": each.name,
            "GRPC_LISTEN": f"{HOST}:{ports[f'{each.name}-grpc']}",
            "STATE_DIR": str(layout.data / each.name),
        }
        environment |= {f"{other.upper()}_TARGET": f"{HOST}:{ports[f'{other}-grpc']}" for other in each.calls}
        if each.name == IDENTITY:
            environment["SERVICES"] = ",".join(platform().services)
        made.append(_program(layout, each, environment))
    return made


def connectors(layout: Layout) -> list[Program]:
    """The connectors, each with its own broker user and keys, and the sandbox for the world outside."""
    ports = layout.ports()
    sandbox = {
        "smsc": {"SMSC_HOST": HOST, "SMSC_PORT": str(ports["smsc"]), "SMSC_SYSTEM_ID": SMSC_SYSTEM_ID},
        "bank": {"API_URL": f"http://{HOST}:{ports['bank']}"},
    }
    return [
        _program(
            layout, each, {k: v for outside in each.reaches for k, v in sandbox.get(outside, {}).items()}
        )
        for each in platform().of(CONNECTOR)
    ]


def _program(layout: Layout, program: TableProgram, own: dict[str, str]) -> Program:
    """A program with the settings that all have, and its own; names without their prefix."""
    name, ports = program.name, layout.ports()
    password = quote(layout.password(name), safe="")
    settings = own | {
        "BROKER_URI": f"amqp://{name}:{password}@{HOST}:{ports['broker']}/{VHOST}",
        "HTTP_LISTEN": f"{HOST}:{ports[f'{name}-http']}",
        "KEYS_DIR": str(layout.keys / name),
    }
    if program.reached_by:
        settings["CALLBACKS_LISTEN"] = f"{HOST}:{ports[f'{name}-callbacks']}"
    for secret in program.secrets:
        settings[secret.replace("-", "_").upper()] = layout.password(f"{name}-{secret}")
    environment = {f"{program.prefix}_{setting}": value for setting, value in settings.items()} | {
        "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://{HOST}:{ports['collector']}",
        "OTEL_BSP_SCHEDULE_DELAY": "500",
    }
    ready = f"http://{HOST}:{ports[f'{name}-http']}/readyz"
    command = (sys.executable, "-m", program.package)
    return Program(name, command, port=f"{name}-http", environment=environment, ready=ready)


def _python(name: str, module: str, *arguments: object) -> Program:
    return Program(name, (sys.executable, "-m", module, *map(str, arguments)), port=name)
