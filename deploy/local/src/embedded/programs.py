"""The table of what runs: one database server a service, the outside world, the services, the connectors."""

import sys
from pathlib import Path
from urllib.parse import quote

from embedded.layout import CONNECTORS, SERVICES, Layout
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
        for name in SERVICES
    ]  # fmt: skip


def outside(layout: Layout) -> list[Program]:
    """The sandbox of the outside world: an SMSC, an acquirer, and a collector of spans."""
    ports = layout.ports()
    return [
        _python(
            "smsc", "sandbox.smsc",
            "--port", ports["smsc"], "--http-port", ports["phones"],
            "--system-id", SMSC_SYSTEM_ID, "--password-file", layout.passwords / "smpp",
            "--receipt-delay", SMSC_RECEIPT_DELAY_SECONDS,
        ),
        _python(
            "bank", "sandbox.acquirer",
            "--port", ports["bank"], "--api-key-file", layout.passwords / "bank-api-key",
            "--callback-url", f"http://{HOST}:{ports['acquirer-http']}/callbacks",
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
    for name in SERVICES:
        prefix = name.upper()
        store_password = quote(layout.password(f"{name}-store"), safe="")
        environment = _common(layout, name) | {
            f"{prefix}_STORE_URI": f"mongodb://{STORE_USER}:{store_password}@{HOST}:{ports[f'{name}-store']}/admin",
            f"{prefix}_STORE_DATABASE": name,
            f"{prefix}_GRPC_LISTEN": f"{HOST}:{ports[f'{name}-grpc']}",
            f"{prefix}_STATE_DIR": str(layout.data / name),
        }
        if name != "identity":
            environment[f"{prefix}_IDENTITY_TARGET"] = f"{HOST}:{ports['identity-grpc']}"
        made.append(_program(layout, name, name, environment))
    return made


def connectors(layout: Layout) -> list[Program]:
    """The connectors, each with its own broker user and keys."""
    ports = layout.ports()
    modules = {"sms": "notification.connectors.sms", "acquirer": "payments.connectors.acquirer"}
    own = {
        "sms": {
            "SMS_SMSC_HOST": HOST,
            "SMS_SMSC_PORT": str(ports["smsc"]),
            "SMS_SMSC_SYSTEM_ID": SMSC_SYSTEM_ID,
            "SMS_SMSC_PASSWORD": layout.password("smpp"),
        },
        "acquirer": {
            "ACQUIRER_API_URL": f"http://{HOST}:{ports['bank']}",
            "ACQUIRER_API_KEY": layout.password("bank-api-key"),
        },
    }
    return [_program(layout, name, modules[name], _common(layout, name) | own[name]) for name in CONNECTORS]


def _common(layout: Layout, name: str) -> dict[str, str]:
    ports = layout.ports()
    prefix = name.upper()
    password = quote(layout.password(name), safe="")
    return {
        f"{prefix}_BROKER_URI": f"amqp://{name}:{password}@{HOST}:{ports['broker']}/{VHOST}",
        f"{prefix}_HTTP_LISTEN": f"{HOST}:{ports[f'{name}-http']}",
        f"{prefix}_KEYS_DIR": str(layout.keys / name),
        "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://{HOST}:{ports['collector']}",
        "OTEL_BSP_SCHEDULE_DELAY": "500",
    }


def _program(layout: Layout, name: str, module: str, environment: dict[str, str]) -> Program:
    ready = f"http://{HOST}:{layout.ports()[f'{name}-http']}/readyz"
    command = (sys.executable, "-m", module)
    return Program(name, command, port=f"{name}-http", environment=environment, ready=ready)


def _python(name: str, module: str, *arguments: object) -> Program:
    return Program(name, (sys.executable, "-m", module, *map(str, arguments)), port=name)
